//! A pen that paints pixels, and the PNG file of them.

use std::io::{self, Write};

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};

use super::pen::{Anchor, CHARACTER, Color, Pen, Rectangle};
use super::picture::Picture;

/// Writes a picture as PNG.
///
/// # Errors
/// The output's.
pub fn write(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    let mut canvas = Canvas::new(picture.size());
    picture.draw(&mut canvas)?;
    let mut encoder = png::Encoder::new(out, canvas.width as u32, (canvas.pixels.len() / 3 / canvas.width) as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    Ok(writer.finish()?)
}

struct Canvas {
    width: usize,
    /// Three bytes each, row by row.
    pixels: Vec<u8>,
}

impl Canvas {
    fn new((width, height): (u32, u32)) -> Canvas {
        let (width, height) = (width.max(1) as usize, height.max(1) as usize);
        Canvas { width, pixels: vec![0xff; width * height * 3] }
    }

    /// Mixes a colour into a pixel: 255 replaces it.
    fn blend(&mut self, x: usize, y: usize, color: Color, weight: u8) {
        if x >= self.width {
            return;
        }
        let at = (y * self.width + x) * 3;
        let Some(pixel) = self.pixels.get_mut(at..at + 3) else { return };
        for (value, new) in pixel.iter_mut().zip(color) {
            let sum = u32::from(*value) * (255 - u32::from(weight)) + u32::from(new) * u32::from(weight);
            *value = (sum / 255) as u8;
        }
    }
}

impl Pen for Canvas {
    fn rectangle(&mut self, at: Rectangle, color: Color, _: &str, _: Option<&str>) -> io::Result<()> {
        let pixel = |value: f64| value.round().max(0.0) as usize;
        let (left, top) = (pixel(at.x), pixel(at.y));
        // Nothing is too narrow to be seen.
        let (right, bottom) = (pixel(at.x + at.width).max(left + 1), pixel(at.y + at.height).max(top + 1));
        for y in top..bottom {
            let (start, end) = ((y * self.width + left) * 3, (y * self.width + right.min(self.width)) * 3);
            for pixel in self.pixels.get_mut(start..end).unwrap_or_default().chunks_exact_mut(3) {
                pixel.copy_from_slice(&color);
            }
        }
        Ok(())
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, color: Color, text: &str) -> io::Result<()> {
        let width = CHARACTER as usize * text.chars().count();
        let shift = [0, width][anchor as usize];
        let (mut left, top) = ((x.max(0.0) as usize).saturating_sub(shift), y.max(0.0) as usize);
        for character in text.chars() {
            let raster = |character| get_raster(character, FontWeight::Regular, RasterHeight::Size16);
            if let Some(glyph) = raster(character).or_else(|| raster('?')) {
                for (row, weights) in glyph.rows().enumerate() {
                    for (column, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                        self.blend(left + column, top + row, color, *weight);
                    }
                }
            }
            left += CHARACTER as usize;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::panel;
    use super::*;

    #[test]
    fn the_font_is_as_wide_as_the_layout_assumes() {
        let glyph = get_raster('m', FontWeight::Regular, RasterHeight::Size16).expect("a glyph");
        assert_eq!((glyph.width(), glyph.height()), (CHARACTER as usize, 16));
    }

    #[test]
    fn a_picture_decodes_to_the_colours_of_its_states() {
        let panels = [panel("/t2m é 温", 3, 1, &[1], &[2])];
        let picture = Picture::new(&panels, "full", 0);
        let mut out = Vec::new();
        write(&picture, &mut out).expect("writes");
        let mut reader = png::Decoder::new(io::Cursor::new(out)).read_info().expect("a PNG file");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!((info.width, info.height), picture.size());
        let has = |color: Color| pixels.chunks_exact(3).filter(|pixel| *pixel == color).count();
        // A cell is 319 × 15 pixels; the legend has 144 of each colour.
        assert!(has([0xd5, 0x4a, 0x00]) > 4000 && has([0x10, 0x10, 0x10]) > 4000 && has([0x9c, 0xc3, 0xe0]) > 4000);
    }
}
