//! The picture: what the updates paint on.

use alloc::{vec, vec::Vec};

use crate::{Error, Event, Limits, Rectangle, Rgba};

/// What a part of the picture becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint<'a> {
    /// These pixels, row by row.
    Pixels {
        /// Where.
        rectangle: Rectangle,
        /// As many as the rectangle has.
        rgba: &'a [Rgba],
    },
    /// One colour.
    Fill {
        /// Where.
        rectangle: Rectangle,
        /// Which.
        rgba: Rgba,
    },
    /// What stands elsewhere in the picture now; the two may overlap.
    Copy {
        /// Where to.
        rectangle: Rectangle,
        /// Left edge of where from.
        from_x: u16,
        /// Top edge of where from.
        from_y: u16,
    },
}

impl Paint<'_> {
    /// The part of the picture that changes.
    pub fn rectangle(&self) -> Rectangle {
        match self {
            Self::Pixels { rectangle, .. } | Self::Fill { rectangle, .. } | Self::Copy { rectangle, .. } => *rectangle,
        }
    }
}

/// A picture in RGBA, for screenshots, recordings, tests, and as what a server shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    width: u16,
    height: u16,
    /// INVARIANT: as many as width times height.
    pixels: Vec<Rgba>,
}

const BLACK: Rgba = [0, 0, 0, 255];

impl Framebuffer {
    /// A black picture.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] if it has more than [`Limits::max_framebuffer_pixels`].
    pub fn new(width: u16, height: u16, limits: &Limits) -> Result<Self, Error> {
        limits.framebuffer(width, height)?;
        let pixels = vec![BLACK; Rectangle::new(0, 0, width, height).pixels()];
        Ok(Self { width, height, pixels })
    }

    /// Width, in pixels.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height, in pixels.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// All of it.
    pub fn rectangle(&self) -> Rectangle {
        Rectangle::new(0, 0, self.width, self.height)
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[Rgba] {
        &self.pixels
    }

    /// The bytes red, green, blue and opacity of each pixel, row by row.
    pub fn rgba(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// One pixel; `None` outside of the picture.
    pub fn pixel(&self, x: u16, y: u16) -> Option<Rgba> {
        self.row(Rectangle::new(x, y, 1, 1), 0)?.first().copied()
    }

    /// Row number `row` of a part of the picture; `None` if that is not all inside.
    pub(crate) fn row(&self, part: Rectangle, row: u16) -> Option<&[Rgba]> {
        if !self.rectangle().contains(&part) {
            return None;
        }
        let start = self.offset(part.x, part.y.checked_add(row)?);
        self.pixels.get(start..start + usize::from(part.width))
    }

    fn offset(&self, x: u16, y: u16) -> usize {
        usize::from(y) * usize::from(self.width) + usize::from(x)
    }

    /// Paints. What lies outside of the picture is left out.
    pub fn paint(&mut self, paint: &Paint<'_>) {
        let rectangle = paint.rectangle();
        let Some(inside) = rectangle.intersection(&self.rectangle()) else { return };
        match paint {
            Paint::Pixels { rgba, .. } => {
                let skipped = usize::from(inside.x - rectangle.x);
                let rows = rgba.chunks_exact(usize::from(rectangle.width)).skip((inside.y - rectangle.y).into());
                for (to, from) in self.rows_mut(inside).zip(rows) {
                    if let Some(from) = from.get(skipped..skipped + to.len()) {
                        to.copy_from_slice(from);
                    }
                }
            }
            Paint::Fill { rgba, .. } => self.rows_mut(inside).for_each(|row| row.fill(*rgba)),
            Paint::Copy { from_x, from_y, .. } => self.copy(rectangle, *from_x, *from_y),
        }
    }

    /// The rows of a part that lies inside.
    fn rows_mut(&mut self, part: Rectangle) -> impl Iterator<Item = &mut [Rgba]> {
        let (start, width) = (usize::from(part.x), usize::from(part.width));
        self.pixels
            .chunks_exact_mut(usize::from(self.width).max(1))
            .skip(part.y.into())
            .take(part.height.into())
            .filter_map(move |row| row.get_mut(start..start + width))
    }

    fn copy(&mut self, rectangle: Rectangle, from_x: u16, from_y: u16) {
        // Both ends have to be inside: clip the source, move the result along, clip that.
        let source = Rectangle { x: from_x, y: from_y, ..rectangle };
        let Some(source) = source.intersection(&self.rectangle()) else { return };
        let (right, down) = (source.x - from_x, source.y - from_y);
        let (Some(x), Some(y)) = (rectangle.x.checked_add(right), rectangle.y.checked_add(down)) else { return };
        let Some(target) = (Rectangle { x, y, ..source }).intersection(&self.rectangle()) else { return };

        let upwards = target.y <= source.y;
        for step in 0..target.height {
            let row = if upwards { step } else { target.height - 1 - step };
            let from = self.offset(source.x, source.y + row);
            let to = self.offset(target.x, target.y + row);
            self.pixels.copy_within(from..from + usize::from(target.width), to);
        }
    }

    /// Changes the size. What both sizes have stays, the rest is black.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] if it would have more than [`Limits::max_framebuffer_pixels`].
    pub fn resize(&mut self, width: u16, height: u16, limits: &Limits) -> Result<(), Error> {
        let mut resized = Self::new(width, height, limits)?;
        resized.paint(&Paint::Pixels { rectangle: self.rectangle(), rgba: &self.pixels });
        *self = resized;
        Ok(())
    }

    /// Does what an event of a [`Decoder`](crate::Decoder) says about the picture: paints or resizes.
    ///
    /// # Errors
    ///
    /// Those of [`Framebuffer::resize`]; none if the decoder has the same limits.
    pub fn apply(&mut self, event: &Event<'_>, limits: &Limits) -> Result<(), Error> {
        match event {
            Event::Paint(paint) => self.paint(paint),
            Event::Resized { width, height, .. } => self.resize(*width, *height, limits)?,
            _ => {}
        }
        Ok(())
    }
}
