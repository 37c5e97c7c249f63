use towline_rfb::{Error, Framebuffer, Limits, Paint, Rectangle};

fn numbered(width: u16, height: u16) -> Framebuffer {
    let mut picture = Framebuffer::new(width, height, &Limits::default()).unwrap();
    let rgba: Vec<_> = (0..u32::from(width) * u32::from(height)).map(u32::to_le_bytes).collect();
    picture.paint(&Paint::Pixels { rectangle: picture.rectangle(), rgba: &rgba });
    picture
}

#[test]
fn a_copy_may_overlap_itself_in_every_direction() {
    for (x, y) in [(0, 0), (1, 0), (0, 1), (2, 2), (1, 2)] {
        for (from_x, from_y) in [(0, 0), (1, 1), (2, 0), (0, 2), (2, 2)] {
            let before = numbered(7, 7);
            let mut after = before.clone();
            let rectangle = Rectangle::new(x, y, 5, 5);
            after.paint(&Paint::Copy { rectangle, from_x, from_y });
            for (column, row) in (0..7).flat_map(|row| (0..7).map(move |column| (column, row))) {
                let expected = match rectangle.contains(&Rectangle::new(column, row, 1, 1)) {
                    true => before.pixel(column - x + from_x, row - y + from_y),
                    false => before.pixel(column, row),
                };
                assert_eq!(after.pixel(column, row), expected, "{column},{row} of {x},{y} from {from_x},{from_y}");
            }
        }
    }
}

#[test]
fn what_lies_outside_is_left_out() {
    let mut picture = numbered(4, 4);
    let red = [255, 0, 0, 255];
    picture.paint(&Paint::Fill { rectangle: Rectangle::new(3, 3, 65_535, 65_535), rgba: red });
    picture.paint(&Paint::Pixels { rectangle: Rectangle::new(2, 0, 3, 1), rgba: &[[1; 4], [2; 4], [3; 4]] });
    picture.paint(&Paint::Pixels { rectangle: Rectangle::new(0, 1, 2, 9), rgba: &[[4; 4]] });
    picture.paint(&Paint::Copy { rectangle: Rectangle::new(65_000, 0, 9, 9), from_x: 0, from_y: 0 });
    picture.paint(&Paint::Copy { rectangle: Rectangle::new(0, 3, 9, 9), from_x: 3, from_y: 3 });
    assert_eq!(
        (picture.pixel(3, 3), picture.pixel(0, 3), picture.pixel(1, 3)),
        (Some(red), Some(red), Some(13u32.to_le_bytes()))
    );
    assert_eq!((picture.pixel(2, 0), picture.pixel(3, 0)), (Some([1; 4]), Some([2; 4])));
    assert_eq!((picture.pixel(0, 1), picture.pixel(4, 0)), (Some(4u32.to_le_bytes()), None));
}

#[test]
fn another_size_keeps_what_both_have() {
    let mut picture = numbered(4, 4);
    picture.resize(6, 2, &Limits::default()).unwrap();
    assert_eq!((picture.width(), picture.height()), (6, 2));
    assert_eq!((picture.pixel(3, 1), picture.pixel(4, 1)), (Some(7u32.to_le_bytes()), Some([0, 0, 0, 255])));
    let mut limits = Limits::default();
    limits.max_framebuffer_pixels = 100;
    assert!(matches!(picture.resize(101, 1, &limits), Err(Error::LimitExceeded { .. })));
}
