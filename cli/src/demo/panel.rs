//! What the demo device's screen shows: a small machine panel with a clock, a counter, the pointer's place and a text box.

use embedded_graphics::{
    Drawable as _, Pixel,
    draw_target::DrawTarget,
    geometry::{Dimensions, OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, iso_8859_1::FONT_10X20},
    pixelcolor::Rgb888,
    primitives::{Circle, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StyledDrawable as _, Triangle},
    text::{Baseline, Text},
};
use time::OffsetDateTime;

/// The size at the start, in pixels.
const SIZE: Size = Size::new(800, 480);
/// Below that the parts lie over one another.
const MIN_SIZE: Size = Size::new(480, 360);
/// So much is painted, and held for a viewer that knows no compression.
const MAX_SIZE: Size = Size::new(2560, 1600);
/// What the text box remembers, in characters; the oldest go.
const MAX_TEXT_CHARS: usize = 256;

const BACKGROUND: Rgb888 = Rgb888::new(0x14, 0x1e, 0x28);
const SURFACE: Rgb888 = Rgb888::new(0x22, 0x32, 0x42);
const HEADER: Rgb888 = Rgb888::new(0x2c, 0x42, 0x58);
const BRIGHT: Rgb888 = Rgb888::new(0xe6, 0xed, 0xf3);
const DIM: Rgb888 = Rgb888::new(0x9a, 0xac, 0xbd);
const CLOCK: Rgb888 = Rgb888::new(0xff, 0xc2, 0x4b);
const LAMP: Rgb888 = Rgb888::new(0x3d, 0xd6, 0x8c);
const PAPER: Rgb888 = Rgb888::new(0xf6, 0xf8, 0xfa);
const INK: Rgb888 = Rgb888::new(0x10, 0x18, 0x20);
const POINTER: Rgb888 = Rgb888::new(0xff, 0x5d, 0x5d);

const LETTER: Size = Size::new(10, 20);
const CLOCK_SCALE: u32 = 3;
const NUMBER_SCALE: u32 = 4;
const POINTER_SIZE: Size = Size::new(16, 24);
/// How long the clock takes for one pixel of its way.
const CLOCK_STEP_MILLIS: i64 = 25;

const LEFT_BUTTON: u8 = 1;

/// Keys that are no letters, as X11 numbers them.
const BACK_SPACE: u32 = 0xff08;
const RETURN: u32 = 0xff0d;
const ESCAPE: u32 = 0xff1b;
const KEYPAD_ENTER: u32 = 0xff8d;
const KEYPAD_0: u32 = 0xffb0;
const KEYPAD_9: u32 = 0xffb9;
/// From here on a key is a Unicode character.
const UNICODE: u32 = 0x0100_0000;

/// The panel's state. Each change says in which parts of the picture it shows.
pub(super) struct Panel {
    size: Size,
    now: OffsetDateTime,
    clicks: u64,
    pointer: Point,
    text: String,
}

impl Panel {
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self { size: SIZE, now, clicks: 0, pointer: Rectangle::new(Point::zero(), SIZE).center(), text: String::new() }
    }

    /// The clock goes on.
    pub(super) fn tick(&mut self, now: OffsetDateTime) -> Vec<Rectangle> {
        let before = self.clock();
        self.now = now;
        vec![before, self.clock()]
    }

    /// The pointer moves, or somebody's buttons change from `before` to `buttons`.
    pub(super) fn point(&mut self, to: Point, before: u8, buttons: u8) -> Vec<Rectangle> {
        let left = self.pointer_shape();
        self.pointer = to.component_min(Point::zero() + self.size - Size::new_equal(1));
        let mut changed = vec![left, self.pointer_shape(), self.position()];
        if !before & buttons & LEFT_BUTTON != 0 {
            self.clicks += 1;
            changed.push(self.counter());
        }
        changed
    }

    /// A key goes down.
    pub(super) fn press(&mut self, keysym: u32) -> Vec<Rectangle> {
        match (keysym, letter(keysym)) {
            (BACK_SPACE, _) => drop(self.text.pop()),
            (RETURN | KEYPAD_ENTER | ESCAPE, _) => self.text.clear(),
            (_, Some(letter)) => self.text.push(letter),
            _ => return Vec::new(),
        }
        if self.text.chars().count() > MAX_TEXT_CHARS {
            self.text.remove(0);
        }
        vec![self.text_box()]
    }

    /// Takes another size, unless it is too small or too large.
    pub(super) fn resize(&mut self, size: Size) -> Vec<Rectangle> {
        if size != size.component_max(MIN_SIZE).component_min(MAX_SIZE) {
            return Vec::new();
        }
        self.size = size;
        vec![self.bounding_box()]
    }

    fn header(&self) -> Rectangle {
        Rectangle::new(Point::zero(), Size::new(self.size.width, 44))
    }

    /// On its way from one side to the other and back.
    fn clock(&self) -> Rectangle {
        let size = text_size(&self.time(), CLOCK_SCALE);
        let way = i64::from(self.size.width - size.width);
        let millis = self.now.unix_timestamp() * 1000 + i64::from(self.now.millisecond());
        let step = (millis / CLOCK_STEP_MILLIS).rem_euclid(2 * way);
        let x = i32::try_from(step.min(2 * way - step)).unwrap_or_default();
        Rectangle::new(Point::new(x, 64), size)
    }

    fn counter(&self) -> Rectangle {
        Rectangle::new(Point::new(24, 148), Size::new(self.size.width / 2 - 36, 132))
    }

    fn position(&self) -> Rectangle {
        let counter = self.counter();
        Rectangle::new(counter.top_left + counter.size.x_axis() + Point::new(24, 0), counter.size)
    }

    fn text_box(&self) -> Rectangle {
        Rectangle::new(Point::new(24, 304), Size::new(self.size.width - 48, 40))
    }

    fn pointer_shape(&self) -> Rectangle {
        Rectangle::new(self.pointer, POINTER_SIZE)
    }

    fn time(&self) -> String {
        let (hour, minute, second) = self.now.to_hms();
        format!("{hour:02}:{minute:02}:{second:02}")
    }

    /// Draws all of it.
    pub(super) fn draw<D: DrawTarget<Color = Rgb888>>(&self, target: &mut D) -> Result<(), D::Error> {
        target.fill_solid(&self.bounding_box(), BACKGROUND)?;

        let header = self.header();
        target.fill_solid(&header, HEADER)?;
        Circle::new(Point::new(24, 14), 16).draw_styled(&PrimitiveStyle::with_fill(LAMP), target)?;
        write(target, "Pump 7: running", Point::new(52, 12), BRIGHT, 1)?;
        let name = super::DEVICE;
        let x = i32::try_from(self.size.width - text_size(name, 1).width).unwrap_or_default() - 24;
        write(target, name, Point::new(x, 12), DIM, 1)?;

        write(target, &self.time(), self.clock().top_left, CLOCK, CLOCK_SCALE)?;

        tile(target, self.counter(), "Clicks", &self.clicks.to_string())?;
        tile(target, self.position(), "Pointer", &format!("{},{}", self.pointer.x, self.pointer.y))?;

        let text_box = self.text_box();
        let frame = PrimitiveStyleBuilder::new().fill_color(PAPER).stroke_color(DIM).stroke_width(2).build();
        text_box.draw_styled(&frame, target)?;
        let fits = usize::try_from((text_box.size.width - 24) / LETTER.width).unwrap_or_default();
        let typed = format!("{}_", self.text);
        let skipped = typed.chars().count().saturating_sub(fits);
        let shown: String = typed.chars().skip(skipped).collect();
        write(target, &shown, text_box.top_left + Point::new(12, 10), INK, 1)?;
        let hint = "Type; Enter empties the box. Click anywhere.";
        write(target, hint, text_box.top_left + text_box.size.y_axis() + Point::new(0, 12), DIM, 1)?;

        let tip = self.pointer;
        Triangle::new(tip, tip + POINTER_SIZE.y_axis() - Point::new(0, 1), tip + Point::new(15, 16))
            .draw_styled(&PrimitiveStyle::with_fill(POINTER), target)
    }
}

impl OriginDimensions for Panel {
    fn size(&self) -> Size {
        self.size
    }
}

/// The letter of a key, if it has one.
fn letter(keysym: u32) -> Option<char> {
    let code = match keysym {
        0x20..=0x7e | 0xa0..=0xff => keysym,
        KEYPAD_0..=KEYPAD_9 => keysym - KEYPAD_0 + u32::from(b'0'),
        UNICODE.. => keysym - UNICODE,
        _ => return None,
    };
    char::from_u32(code).filter(|letter| !letter.is_control())
}

/// A heading and a large value.
fn tile<D: DrawTarget<Color = Rgb888>>(
    target: &mut D,
    place: Rectangle,
    heading: &str,
    value: &str,
) -> Result<(), D::Error> {
    target.fill_solid(&place, SURFACE)?;
    write(target, heading, place.top_left + Point::new(16, 12), DIM, 1)?;
    write(target, value, place.top_left + Point::new(16, 40), BRIGHT, NUMBER_SCALE)
}

fn text_size(text: &str, scale: u32) -> Size {
    let letters = u32::try_from(text.chars().count()).unwrap_or_default();
    Size::new(LETTER.width * letters, LETTER.height) * scale
}

/// Text with its upper left corner at `corner`, each dot of a letter `scale` times as wide and high.
fn write<D: DrawTarget<Color = Rgb888>>(
    target: &mut D,
    text: &str,
    corner: Point,
    colour: Rgb888,
    scale: u32,
) -> Result<(), D::Error> {
    let style = MonoTextStyle::new(&FONT_10X20, colour);
    let mut target = Enlarged { target, corner, scale };
    Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut target).map(drop)
}

/// Draws each dot as a square.
struct Enlarged<'a, D> {
    target: &'a mut D,
    corner: Point,
    scale: u32,
}

impl<D: DrawTarget> Dimensions for Enlarged<'_, D> {
    fn bounding_box(&self) -> Rectangle {
        Rectangle::new(Point::zero(), self.target.bounding_box().size / self.scale)
    }
}

impl<D: DrawTarget> DrawTarget for Enlarged<'_, D> {
    type Color = D::Color;
    type Error = D::Error;

    fn draw_iter<I: IntoIterator<Item = Pixel<D::Color>>>(&mut self, pixels: I) -> Result<(), D::Error> {
        let scale = i32::try_from(self.scale).unwrap_or(i32::MAX);
        for Pixel(dot, colour) in pixels {
            let square = Rectangle::new(self.corner + dot * scale, Size::new_equal(self.scale));
            self.target.fill_solid(&square, colour)?;
        }
        Ok(())
    }
}
