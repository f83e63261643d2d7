//! A bitmap that plotters draws on, with text in a bitmap font: no fonts of the system are needed.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform};

const WEIGHT: FontWeight = FontWeight::Regular;
const HEIGHT: RasterHeight = RasterHeight::Size16;

/// A bitmap.
pub struct Canvas {
    size: (u32, u32),
    /// Red, green and blue of each pixel.
    pixels: Vec<u8>,
}

/// Drawing on a bitmap in memory cannot fail.
#[derive(Debug)]
pub struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bitmap cannot be drawn")
    }
}

impl std::error::Error for Never {}

impl Canvas {
    /// A white bitmap.
    pub fn new(size: (u32, u32)) -> Canvas {
        Canvas { size, pixels: vec![255; size.0 as usize * size.1 as usize * 3] }
    }

    /// The bitmap as a PNG file.
    ///
    /// # Errors
    /// Only a bug.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.size.0, self.size.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.pixels));
        written.map_err(|error| error.to_string()).map(|()| bytes)
    }

    fn blend(&mut self, (x, y): BackendCoord, color: BackendColor, share: f64) {
        let (width, height) = (self.size.0 as i32, self.size.1 as i32);
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let at = (y as usize * width as usize + x as usize) * 3;
        let share = share * color.alpha;
        let (r, g, b) = color.rgb;
        for (pixel, value) in self.pixels[at..at + 3].iter_mut().zip([r, g, b]) {
            *pixel = (f64::from(*pixel) * (1.0 - share) + f64::from(value) * share).round() as u8;
        }
    }
}

/// Width and height of a line of text.
fn extent(text: &str) -> (i32, i32) {
    (text.chars().count() as i32 * get_raster_width(WEIGHT, HEIGHT) as i32, HEIGHT.val() as i32)
}

impl DrawingBackend for &mut Canvas {
    type ErrorType = Never;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Never>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Never>> {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Result<(), DrawingErrorKind<Never>> {
        self.blend(point, color, 1.0);
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Never>> {
        let (width, height) = extent(text);
        Ok((width as u32, height as u32))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Never>> {
        let (width, height) = extent(text);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let turned = |(right, down): (i32, i32)| match style.transform() {
            FontTransform::None => (x + right, y + down),
            FontTransform::Rotate90 => (x - down, y + right),
            FontTransform::Rotate180 => (x - right, y - down),
            FontTransform::Rotate270 => (x + down, y - right),
        };
        let advance = get_raster_width(WEIGHT, HEIGHT) as i32;
        for (number, letter) in text.chars().enumerate() {
            let Some(raster) = get_raster(letter, WEIGHT, HEIGHT).or_else(|| get_raster('?', WEIGHT, HEIGHT)) else {
                continue;
            };
            for (row, values) in raster.rows().enumerate() {
                for (column, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                    let at = (left + number as i32 * advance + column as i32, top + row as i32);
                    self.blend(turned(at), style.color(), f64::from(*value) / 255.0);
                }
            }
        }
        Ok(())
    }
}
