//! PNG, painted point by point. Letters are bitmaps of our own: those of ASCII, and a hollow box for every other.

use super::layout::{Label, Layout, Look};
use crate::out::escape;

/// Points a picture may have: three bytes each while it is painted.
const MOST: f64 = 64.0 * 1024.0 * 1024.0;
/// Points of the picture for one of a letter.
const ZOOM: i64 = 2;
/// Bitmaps, sixteen letters in a row, from the blank on; where ASCII has no letter any more stands the ellipsis.
const GLYPHS: &str = include_str!("glyphs.txt");
/// Rows of a letter; the last two are below the line.
const ROWS: usize = 9;

const WHITE: Color = [0xff, 0xff, 0xff];
const INK: Color = [0x1f, 0x23, 0x28];
const PAPER: Color = [0xf6, 0xf8, 0xfa];
const GREY: Color = [0x57, 0x60, 0x6a];
const RED: Color = [0xcf, 0x22, 0x2e];

type Color = [u8; 3];

/// Why there is no PNG.
#[derive(Debug)]
pub enum Unpaintable {
    /// It would have too many points.
    TooLarge,
    /// The encoder's words.
    Encoder(String),
}

/// Draws it; as large as the SVG.
///
/// # Errors
/// It would be larger than 64 million points, or could not be encoded.
pub fn draw(layout: &Layout) -> Result<Vec<u8>, Unpaintable> {
    if layout.width * layout.height > MOST {
        return Err(Unpaintable::TooLarge);
    }
    let mut canvas = Canvas::new(layout.width as usize, layout.height as usize);
    let glyphs = Glyphs::read();
    for stroke in &layout.strokes {
        let (color, width) = pen(stroke.look);
        canvas.line(&stroke.points, width, color, stroke.look.dashed);
    }
    for arrow in &layout.arrows {
        canvas.triangle(arrow.corners, pen(arrow.look).0);
    }
    for frame in &layout.frames {
        let (x, y, right, bottom) = (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height);
        canvas.fill(x, y, right, bottom, PAPER);
        let around = [(x, y), (right, y), (right, bottom), (x, bottom), (x, y)];
        canvas.line(&around, 2.0, INK, frame.missing);
        canvas.label(&frame.label, &glyphs);
    }
    for line in &layout.head {
        canvas.label(line, &glyphs);
    }
    canvas.encode().map_err(|e| Unpaintable::Encoder(e.to_string()))
}

/// Colour and width.
const fn pen(look: Look) -> (Color, f64) {
    if look.circle { (RED, 4.0) } else { (GREY, 2.0) }
}

struct Glyphs(Vec<[u8; ROWS]>);

impl Glyphs {
    fn read() -> Self {
        let mut all = Vec::new();
        let lines: Vec<&str> = GLYPHS.lines().filter(|line| !line.is_empty()).collect();
        for block in lines.chunks(ROWS) {
            for letter in 0..16 {
                let mut rows = [0; ROWS];
                for (row, line) in rows.iter_mut().zip(block) {
                    let dots = line.bytes().skip(letter * 6).take(5);
                    *row = dots.fold(0, |bits, dot| bits << 1 | u8::from(dot == b'#'));
                }
                all.push(rows);
            }
        }
        Self(all)
    }
    fn of(&self, c: char) -> Option<&[u8; ROWS]> {
        let at = match c {
            '…' => 0x7f,
            '\u{7f}' => return None,
            c => u32::from(c),
        };
        self.0.get(at.checked_sub(0x20)? as usize)
    }
}

struct Canvas {
    width: usize,
    height: usize,
    points: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, points: WHITE.repeat(width * height) }
    }

    /// Paints one point; `cover` says how much of it, from 0 to 1.
    fn dot(&mut self, x: i64, y: i64, color: Color, cover: f64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = 3 * (y * self.width + x);
        for (old, new) in self.points[at..at + 3].iter_mut().zip(color) {
            *old = (f64::from(*old) * (1.0 - cover) + f64::from(new) * cover).round() as u8;
        }
    }

    fn fill(&mut self, left: f64, top: f64, right: f64, bottom: f64, color: Color) {
        for y in top as i64..bottom as i64 {
            for x in left as i64..right as i64 {
                self.dot(x, y, color, 1.0);
            }
        }
    }

    fn line(&mut self, points: &[(f64, f64)], width: f64, color: Color, dashed: bool) {
        const DASH: f64 = 8.0;
        const PERIOD: f64 = 14.0;
        let mut walked = 0.0;
        for pair in points.windows(2) {
            let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
            let length = (x2 - x1).hypot(y2 - y1);
            let at = |way: f64| {
                let t = if length > 0.0 { way / length } else { 0.0 };
                (x1 + (x2 - x1) * t, y1 + (y2 - y1) * t)
            };
            if dashed {
                let mut way = 0.0;
                while way < length {
                    let phase = (walked + way) % PERIOD;
                    // At least a little, or rounding could keep it from ever arriving.
                    let step = (if phase < DASH { DASH } else { PERIOD } - phase).max(0.01);
                    if phase < DASH {
                        self.piece(at(way), at((way + step).min(length)), width, color);
                    }
                    way += step;
                }
            } else {
                self.piece((x1, y1), (x2, y2), width, color);
            }
            walked += length;
        }
    }

    /// A straight piece with soft edges.
    fn piece(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), width: f64, color: Color) {
        let half = width / 2.0;
        let (dx, dy) = (x2 - x1, y2 - y1);
        let square = dx * dx + dy * dy;
        let reach = half + 1.0;
        for y in (y1.min(y2) - reach) as i64..=(y1.max(y2) + reach) as i64 {
            for x in (x1.min(x2) - reach) as i64..=(x1.max(x2) + reach) as i64 {
                let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                let t = if square > 0.0 {
                    (((px - x1) * dx + (py - y1) * dy) / square).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let away = (px - x1 - t * dx).hypot(py - y1 - t * dy);
                let cover = (half + 0.5 - away).clamp(0.0, 1.0);
                if cover > 0.0 {
                    self.dot(x, y, color, cover);
                }
            }
        }
    }

    fn triangle(&mut self, corners: [(f64, f64); 3], color: Color) {
        let side = |a: (f64, f64), b: (f64, f64), p: (f64, f64)| {
            (b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0)
        };
        let [a, b, c] = corners;
        let low = |of: [f64; 3]| of.into_iter().fold(f64::MAX, f64::min) as i64 - 1;
        let high = |of: [f64; 3]| of.into_iter().fold(f64::MIN, f64::max) as i64 + 1;
        let (xs, ys) = ([a.0, b.0, c.0], [a.1, b.1, c.1]);
        for y in low(ys)..=high(ys) {
            for x in low(xs)..=high(xs) {
                // Four by four looks at each point make its edges soft.
                let inside = (0..16).filter(|n| {
                    let p = (
                        x as f64 + (f64::from(n % 4) + 0.5) / 4.0,
                        y as f64 + (f64::from(n / 4) + 0.5) / 4.0,
                    );
                    let (s, t, u) = (side(a, b, p), side(b, c, p), side(c, a, p));
                    (s >= 0.0 && t >= 0.0 && u >= 0.0) || (s <= 0.0 && t <= 0.0 && u <= 0.0)
                });
                self.dot(x, y, color, inside.count() as f64 / 16.0);
            }
        }
    }

    fn label(&mut self, label: &Label, glyphs: &Glyphs) {
        let mut x = label.x as i64 + 1;
        // The seven rows above the line stand in the middle.
        let top = label.y as i64 - 7;
        for c in label.text.chars() {
            let cells = escape::width(c.encode_utf8(&mut [0; 4])) as i64;
            match glyphs.of(c) {
                Some(rows) => {
                    for (row, bits) in (0..).zip(rows) {
                        for dot in (0..5).filter(|dot| bits >> (4 - dot) & 1 == 1) {
                            self.square(x + ZOOM * dot, top + ZOOM * row);
                        }
                    }
                }
                None if cells > 0 => {
                    for step in 0..7 {
                        self.square(x, top + ZOOM * step);
                        self.square(x + 12 * cells - 4, top + ZOOM * step);
                    }
                    for step in 0..6 * cells - 1 {
                        self.square(x + ZOOM * step, top);
                        self.square(x + ZOOM * step, top + ZOOM * 6);
                    }
                }
                None => {}
            }
            x += 12 * cells;
        }
    }

    fn square(&mut self, x: i64, y: i64) {
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            self.dot(x + dx, y + dy, INK, 1.0);
        }
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.points)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::place;
    use super::super::samples::{HOSTILE, drawing};
    use super::*;

    /// Width, height and points of a picture.
    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut points = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut points).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        (info.width, info.height, points)
    }

    #[test]
    fn it_is_as_large_as_the_svg_and_shows_boxes_and_lines() {
        let mut sample = drawing(&HOSTILE, &[(1, 0), (0, 1), (2, 0), (7, 7)]);
        sample.edges[0].circle = true;
        sample.nodes[3].missing = true;
        let layout = place(&sample);
        let (width, height, points) = decoded(&draw(&layout).unwrap());
        let svg = super::super::svg::draw(&layout);
        assert!(svg.contains(&format!(" width=\"{width}\" height=\"{height}\" ")), "{width} {height}");
        let count = |color: Color| points.chunks(3).filter(|p| **p == color).count();
        let counts = [INK, PAPER, RED, GREY].map(count);
        assert!(counts.iter().zip([1000, 10_000, 50, 50]).all(|(n, least)| *n > least), "{counts:?}");
        assert!(count(WHITE) > points.len() / 6);
    }

    #[test]
    fn every_label_is_inked_inside_its_box() {
        let layout = place(&drawing(&["t:Wjg@{}", "t:漢字 é"], &[]));
        let (width, _, points) = decoded(&draw(&layout).unwrap());
        for frame in &layout.frames {
            let inked = |x: usize, y: usize| points[3 * (y * width as usize + x)..][..3] == INK;
            let (left, right) = (frame.x as usize + 3, (frame.x + frame.width) as usize - 3);
            let (top, bottom) = (frame.y as usize + 3, (frame.y + frame.height) as usize - 3);
            let all: Vec<(usize, usize)> = (top..bottom)
                .flat_map(|y| (left..right).map(move |x| (x, y)))
                .filter(|&(x, y)| inked(x, y))
                .collect();
            let (start, end) = (frame.label.x as usize, (frame.label.x + frame.label.width()) as usize);
            assert!(all.len() > 100 && all.iter().all(|&(x, _)| x >= start && x < end), "{frame:?}");
        }
    }

    #[test]
    fn every_letter_of_ascii_has_a_bitmap_of_its_own() {
        let glyphs = Glyphs::read();
        let mut seen = std::collections::BTreeSet::new();
        for c in ('!'..='~').chain(['…']) {
            let rows = glyphs.of(c).unwrap();
            assert!(rows.iter().any(|row| *row != 0) && seen.insert(*rows), "{c}");
        }
        assert!(glyphs.of('é').is_none() && glyphs.of('\u{7f}').is_none() && glyphs.of('\n').is_none());
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut layout = place(&drawing(&["t:a"], &[]));
        layout.width = 1e6;
        assert!(matches!(draw(&layout), Err(Unpaintable::TooLarge)));
    }
}
