//! The demo device's screen: one picture, which all viewers see and any of them may change.

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
};

use embedded_graphics::{
    Pixel,
    draw_target::{DrawTarget, DrawTargetExt as _},
    geometry::{Dimensions as _, OriginDimensions, Size},
    pixelcolor::{Rgb888, RgbColor as _},
    primitives,
};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use towline_rfb::{Encoder, Framebuffer, Limits, Paint, Rectangle, ServerInit};

use super::panel::Panel;

/// A viewer that is so many changes behind gets the whole picture.
const MAX_CHANGES: usize = 256;

pub(super) struct Screen {
    shown: Mutex<Shown>,
    changes: broadcast::Sender<Rectangle>,
}

struct Shown {
    panel: Panel,
    picture: Framebuffer,
}

impl Screen {
    pub(super) fn new() -> Result<Self, towline_rfb::Error> {
        let panel = Panel::new(OffsetDateTime::now_utc());
        let mut picture = Framebuffer::new(0, 0, &Limits::default())?;
        repaint(&panel, &mut picture, &[primitives::Rectangle::new(Default::default(), panel.size())])?;
        Ok(Self { shown: Mutex::new(Shown { panel, picture }), changes: broadcast::Sender::new(MAX_CHANGES) })
    }

    /// What a viewer has to know at the start.
    pub(super) fn init(&self) -> ServerInit {
        let shown = self.shown();
        let (width, height) = (shown.picture.width(), shown.picture.height());
        ServerInit { width, height, format: towline_rfb::PixelFormat::BGRX, name: super::DEVICE.into() }
    }

    /// Which parts change from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Rectangle> {
        self.changes.subscribe()
    }

    pub(super) fn has_viewers(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// Changes the panel and the picture, and tells the viewers where.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut Panel) -> Vec<primitives::Rectangle>,
    ) -> Result<(), towline_rfb::Error> {
        let mut shown = self.shown();
        let Shown { panel, picture } = &mut *shown;
        let parts = change(panel);
        for part in repaint(panel, picture, &parts)? {
            // Without a viewer nobody has to be told.
            drop(self.changes.send(part));
        }
        Ok(())
    }

    /// Encodes what a viewer waits for.
    pub(super) fn update(&self, encoder: &mut Encoder) {
        encoder.update(&self.shown().picture);
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // Whoever panicked left a picture that is half painted at worst.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Paints these parts of the panel, and all of it if it has another size; says what was painted.
fn repaint(
    panel: &Panel,
    picture: &mut Framebuffer,
    parts: &[primitives::Rectangle],
) -> Result<Vec<Rectangle>, towline_rfb::Error> {
    let mut canvas = Canvas(picture);
    if canvas.size() != panel.size() {
        let Size { width, height } = panel.size();
        canvas.0.resize(side(width), side(height), &Limits::default())?;
    }
    let mut painted = Vec::new();
    for part in parts {
        let Ok(()) = panel.draw(&mut canvas.clipped(part));
        painted.extend(canvas.inside(part));
    }
    Ok(painted)
}

/// Where the panel is drawn.
struct Canvas<'a>(&'a mut Framebuffer);

impl Canvas<'_> {
    /// What of a part is on the picture.
    fn inside(&self, part: &primitives::Rectangle) -> Option<Rectangle> {
        let primitives::Rectangle { top_left, size } = self.bounding_box().intersection(part);
        let corner = (u16::try_from(top_left.x).ok()?, u16::try_from(top_left.y).ok()?);
        let part = Rectangle::new(corner.0, corner.1, side(size.width), side(size.height));
        (!part.is_empty()).then_some(part)
    }
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width().into(), self.0.height().into())
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            self.fill_solid(&primitives::Rectangle::new(at, Size::new_equal(1)), colour)?;
        }
        Ok(())
    }

    fn fill_solid(&mut self, part: &primitives::Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        if let Some(rectangle) = self.inside(part) {
            self.0.paint(&Paint::Fill { rectangle, rgba: [colour.r(), colour.g(), colour.b(), 255] });
        }
        Ok(())
    }
}

/// What lies inside of a picture fits.
fn side(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}
