//! Where everything stands: columns of boxes, what is needed on the left of what needs it.
//!
//! A column is one level, or a part of one when a level is too tall for the page. A line that passes a column gets a lane
//! of its own there, so that no line crosses a box; lines of one look that lead to the same box share their lanes. The
//! order inside a column comes from a few barycentre sweeps.

use std::collections::HashMap;

use super::{Drawing, Line};
use crate::out::escape;

/// Width of one character.
pub const CELL: f64 = 12.0;
/// Height of a box.
const BOX: f64 = 36.0;
/// Between the edge of a box and its label.
const PAD: f64 = 12.0;
/// Between two boxes of a column.
const GAP: f64 = 18.0;
/// Height of a lane, with what keeps it from its neighbours.
const LANE: f64 = 12.0;
/// Between two columns.
const CHANNEL: f64 = 96.0;
/// Around everything.
const MARGIN: f64 = 24.0;
/// Height of a line of the head.
const HEAD: f64 = 28.0;
/// Longest label, in columns of a terminal.
const LONGEST: usize = 34;
/// Lanes a picture may have; lines go straight when there would be more.
const MOST_LANES: usize = 100_000;
/// How often the columns are sorted by their neighbours.
const SWEEPS: usize = 8;

/// Text on one line. It is escaped.
#[derive(Clone, Debug)]
pub struct Label {
    /// What it says.
    pub text: String,
    /// Left end.
    pub x: f64,
    /// Middle of the line.
    pub y: f64,
}

impl Label {
    /// How much room it takes, in pixels.
    pub fn width(&self) -> f64 {
        pixels(&self.text)
    }
}

/// A node.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// The name, shortened when it is long.
    pub label: Label,
    /// The whole name; it is escaped.
    pub name: String,
    /// Is there no such resource?
    pub missing: bool,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// Only a named dependency is drawn through.
    pub dashed: bool,
    /// Part of a circle.
    pub circle: bool,
}

/// A line through these points.
#[derive(Clone, Debug)]
pub struct Stroke {
    /// At least two.
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub look: Look,
}

/// The head of an arrow.
#[derive(Clone, Copy, Debug)]
pub struct Arrow {
    /// Its three corners.
    pub corners: [(f64, f64); 3],
    /// How its line looks.
    pub look: Look,
}

/// A picture with everything in its place, in pixels.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Width of the picture.
    pub width: f64,
    /// Height of the picture.
    pub height: f64,
    /// Title and legend.
    pub head: Vec<Label>,
    /// One for each node.
    pub frames: Vec<Frame>,
    /// Lines.
    pub strokes: Vec<Stroke>,
    /// Heads of arrows.
    pub arrows: Vec<Arrow>,
}

fn pixels(text: &str) -> f64 {
    escape::width(text) as f64 * CELL
}

/// A name that is too long loses its middle.
pub fn shorten(name: &str, longest: usize) -> String {
    if escape::width(name) <= longest {
        return name.to_owned();
    }
    let room = longest.saturating_sub(1);
    let fit = |letters: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        letters
            .take_while(|c| {
                used += escape::width(c.encode_utf8(&mut [0; 4]));
                used <= room
            })
            .collect::<Vec<char>>()
    };
    let start = fit(&mut name.chars(), room / 2);
    let mut end = fit(&mut name.chars().rev(), room - room / 2);
    end.reverse();
    start.into_iter().chain(['…']).chain(end).collect()
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Box(usize),
    Lane,
}

/// A place in a column.
#[derive(Debug)]
struct Slot {
    what: What,
    column: usize,
    /// Slots it is joined to in the column before.
    before: Vec<usize>,
    /// Slots it is joined to in the column after.
    after: Vec<usize>,
    /// Its middle.
    y: f64,
}

/// From a slot to one further right.
#[derive(Debug)]
struct Link {
    left: usize,
    right: usize,
    look: Look,
    /// Does an arrow point at the left end, or at the right one?
    arrows: (bool, bool),
}

#[derive(Debug, Default)]
struct Sketch {
    slots: Vec<Slot>,
    columns: Vec<Vec<usize>>,
    links: Vec<Link>,
    lanes: Vec<(usize, Look)>,
}

/// Places everything.
pub fn place(drawing: &Drawing) -> Layout {
    let column = columns(drawing);
    let mut sketch = Sketch::default();
    sketch.columns.resize_with(column.iter().max().map_or(0, |most| most + 1), Vec::new);
    for (node, &at) in column.iter().enumerate() {
        sketch.slot(What::Box(node), at);
    }
    for slots in &mut sketch.columns {
        slots.clear();
    }
    for &node in &drawing.order {
        sketch.columns[column[node]].push(node);
    }
    sketch.join(drawing, &column);
    sketch.untangle();
    sketch.spread();
    sketch.finish(drawing)
}

/// The column of each node: right of all it is joined to and that comes before it, left of the others.
fn columns(drawing: &Drawing) -> Vec<usize> {
    let count = drawing.nodes.len();
    // A picture about half as wide again as it is tall.
    let tallest = ((6.0 * count as f64).sqrt().ceil() as usize).max(12);
    let position = positions(drawing);
    let (mut before, mut after) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for edge in drawing.edges.iter().filter(|e| e.from != e.to) {
        let (left, right) = sorted(&position, edge.from, edge.to);
        before[right].push(left);
        after[left].push(right);
    }
    let mut column = vec![0usize; count];
    let mut filled: Vec<usize> = Vec::new();
    for &node in &drawing.order {
        let mut at = before[node].iter().map(|&b| column[b] + 1).max().unwrap_or(0);
        while filled.get(at).is_some_and(|&n| n >= tallest) {
            at += 1;
        }
        if filled.len() <= at {
            filled.resize(at + 1, 0);
        }
        filled[at] += 1;
        column[node] = at;
    }
    // What needs nothing moves next to the first that needs it, so that its lines are short.
    for &node in drawing.order.iter().filter(|&&n| before[n].is_empty()) {
        let Some(nearest) = after[node].iter().map(|&a| column[a]).min() else { continue };
        if let Some(at) = (column[node] + 1..nearest).rev().find(|&at| filled[at] < tallest) {
            filled[column[node]] -= 1;
            filled[at] += 1;
            column[node] = at;
        }
    }
    let used: Vec<usize> = (0..filled.len()).filter(|&at| filled[at] > 0).collect();
    column.iter().map(|at| used.partition_point(|u| u < at)).collect()
}

fn positions(drawing: &Drawing) -> Vec<usize> {
    let mut position = vec![0; drawing.nodes.len()];
    for (at, &node) in drawing.order.iter().enumerate() {
        position[node] = at;
    }
    position
}

fn sorted(position: &[usize], a: usize, b: usize) -> (usize, usize) {
    if position[a] < position[b] { (a, b) } else { (b, a) }
}

impl Sketch {
    fn slot(&mut self, what: What, column: usize) -> usize {
        self.slots.push(Slot { what, column, before: Vec::new(), after: Vec::new(), y: 0.0 });
        self.columns[column].push(self.slots.len() - 1);
        self.slots.len() - 1
    }

    fn link(&mut self, left: usize, right: usize, look: Look, arrows: (bool, bool)) {
        if self.slots[left].column + 1 == self.slots[right].column {
            self.slots[left].after.push(right);
            self.slots[right].before.push(left);
        }
        self.links.push(Link { left, right, look, arrows });
    }

    /// Joins boxes, over lanes where there are columns between them.
    fn join(&mut self, drawing: &Drawing, column: &[usize]) {
        let position = positions(drawing);
        // The last lane of each way out of a box, and the lanes of that way.
        let mut ways: HashMap<(usize, Look, bool), Vec<usize>> = HashMap::new();
        for edge in drawing.edges.iter().filter(|e| e.from != e.to) {
            let look = Look { dashed: edge.line != Line::Explicit, circle: edge.circle };
            let (left, right) = sorted(&position, edge.from, edge.to);
            let backwards = edge.to == right;
            let between = column[right] - column[left] - 1;
            if self.lanes.len() + between > MOST_LANES {
                self.links.push(Link { left, right, look, arrows: (!backwards, backwards) });
                continue;
            }
            let mut way = ways.remove(&(left, look, backwards)).unwrap_or_default();
            while way.len() < between {
                let lane = self.slot(What::Lane, column[left] + 1 + way.len());
                self.lanes.push((lane, look));
                match way.last() {
                    Some(&last) => self.link(last, lane, look, (false, false)),
                    None => self.link(left, lane, look, (!backwards, false)),
                }
                way.push(lane);
            }
            match between.checked_sub(1).and_then(|last| way.get(last)) {
                Some(&lane) => self.link(lane, right, look, (false, backwards)),
                None => self.link(left, right, look, (!backwards, backwards)),
            }
            ways.insert((left, look, backwards), way);
        }
    }

    /// Sorts each column by where its neighbours stand, there and back.
    fn untangle(&mut self) {
        let mut place = vec![0.0; self.slots.len()];
        let note = |slots: &[usize], place: &mut [f64]| {
            let many = slots.len() as f64;
            for (at, &slot) in slots.iter().enumerate() {
                place[slot] = (at as f64 + 0.5) / many;
            }
        };
        for slots in &self.columns {
            note(slots, &mut place);
        }
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            let many = self.columns.len();
            for step in 0..many {
                let at = if forward { step } else { many - 1 - step };
                let mut slots = std::mem::take(&mut self.columns[at]);
                let mean = |slot: usize| {
                    let of = &self.slots[slot];
                    let near = if forward { &of.before } else { &of.after };
                    if near.is_empty() {
                        place[slot]
                    } else {
                        near.iter().map(|&n| place[n]).sum::<f64>() / near.len() as f64
                    }
                };
                let mut keyed: Vec<(f64, usize)> = slots.iter().map(|&slot| (mean(slot), slot)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                slots.clear();
                slots.extend(keyed.iter().map(|(_, slot)| slot));
                note(&slots, &mut place);
                self.columns[at] = slots;
            }
        }
    }

    /// Half the height of a slot, with what keeps it from its neighbours.
    fn half(&self, slot: usize) -> f64 {
        match self.slots[slot].what {
            What::Box(_) => f64::midpoint(BOX, GAP),
            What::Lane => LANE / 2.0,
        }
    }

    /// Gives each slot its height: near the middle of its neighbours, in the order of its column, nothing overlapping.
    fn spread(&mut self) {
        for at in 0..self.columns.len() {
            let mut y = 0.0;
            for slot in self.columns[at].clone() {
                let half = self.half(slot);
                self.slots[slot].y = y + half;
                y += 2.0 * half;
            }
        }
        let tallest = self
            .columns
            .iter()
            .filter_map(|slots| slots.last().map(|&s| self.slots[s].y + self.half(s)))
            .fold(0.0, f64::max);
        for slots in &self.columns {
            let Some(&last) = slots.last() else { continue };
            let down = (tallest - self.slots[last].y - self.half(last)) / 2.0;
            for &slot in slots {
                self.slots[slot].y += down;
            }
        }
        let many = self.columns.len();
        for sweep in 0..SWEEPS {
            for step in 0..many {
                let at = if sweep % 2 == 0 { step } else { many - 1 - step };
                self.settle(at, sweep % 2 == 0);
            }
        }
    }

    fn settle(&mut self, column: usize, forward: bool) {
        let slots = &self.columns[column];
        let wish = |slot: usize| {
            let of = &self.slots[slot];
            let near = if forward { &of.before } else { &of.after };
            if near.is_empty() {
                of.y
            } else {
                near.iter().map(|&n| self.slots[n].y).sum::<f64>() / near.len() as f64
            }
        };
        let wishes: Vec<f64> = slots.iter().map(|&s| wish(s)).collect();
        let apart = |at: usize| self.half(slots[at]) + self.half(slots[at + 1]);
        // Two ways to fulfil them, pushing down and pushing up; their mean keeps every distance, too.
        let mut down = wishes.clone();
        for at in 1..down.len() {
            down[at] = down[at].max(down[at - 1] + apart(at - 1));
        }
        let mut up = wishes;
        for at in (0..up.len().saturating_sub(1)).rev() {
            up[at] = up[at].min(up[at + 1] - apart(at));
        }
        let found: Vec<(usize, f64)> =
            slots.iter().zip(down.iter().zip(&up)).map(|(&s, (d, u))| (s, f64::midpoint(*d, *u))).collect();
        for (slot, y) in found {
            self.slots[slot].y = y;
        }
    }

    fn finish(self, drawing: &Drawing) -> Layout {
        let names: Vec<String> = drawing.nodes.iter().map(|n| escape::line(&n.name).into_owned()).collect();
        let labels: Vec<String> = names
            .iter()
            .zip(&drawing.nodes)
            .map(|(name, node)| {
                let mark = if node.missing { " (missing)" } else { "" };
                shorten(name, LONGEST - mark.len()) + mark
            })
            .collect();
        let mut head = vec![format!("Stack: {}", shorten(&escape::line(&drawing.stack), 2 * LONGEST))];
        head.push("Arrows lead to what is needed".to_owned());
        if drawing.edges.iter().any(|e| e.line == Line::Inferred) {
            head.push("Dashed: seen in the paths".to_owned());
        }
        if drawing.edges.iter().any(|e| e.circle) {
            head.push("Thick and red: a circle".to_owned());
        }
        let top = MARGIN + HEAD * head.len() as f64 + GAP;
        let highest = (0..self.slots.len()).map(|s| self.slots[s].y - self.half(s)).reduce(f64::min);
        let shift = top - highest.unwrap_or(0.0);
        let mut left = Vec::with_capacity(self.columns.len());
        let mut widths = Vec::with_capacity(self.columns.len());
        let mut x = MARGIN;
        for slots in &self.columns {
            let label = |slot: &usize| match self.slots[*slot].what {
                What::Box(node) => pixels(&labels[node]) + 2.0 * PAD,
                What::Lane => CHANNEL,
            };
            let width = slots.iter().map(label).fold(0.0, f64::max);
            left.push(x);
            widths.push(width);
            x += width + CHANNEL;
        }
        let y = |slot: usize| (self.slots[slot].y + shift).round();
        let mut frames = Vec::with_capacity(drawing.nodes.len());
        for (node, (label, name)) in labels.into_iter().zip(names).enumerate() {
            let column = self.slots[node].column;
            let (x, width) = (left[column], widths[column]);
            let label = Label { x: x + ((width - pixels(&label)) / 2.0).round(), y: y(node), text: label };
            frames.push(Frame {
                x,
                y: y(node) - BOX / 2.0,
                width,
                height: BOX,
                label,
                name,
                missing: drawing.nodes[node].missing,
            });
        }
        let mut strokes = Vec::new();
        let mut arrows = Vec::new();
        for &(lane, look) in &self.lanes {
            let (column, y) = (self.slots[lane].column, y(lane));
            let points = vec![(left[column], y), (left[column] + widths[column], y)];
            strokes.push(Stroke { points, look });
        }
        for link in &self.links {
            let (from, to) = (self.slots[link.left].column, self.slots[link.right].column);
            let (start, end) = ((left[from] + widths[from], y(link.left)), (left[to], y(link.right)));
            strokes.push(Stroke { points: curve(start, end), look: link.look });
            if link.arrows.0 {
                arrows.push(Arrow { corners: arrow(start, (1.0, 0.0)), look: link.look });
            }
            if link.arrows.1 {
                arrows.push(Arrow { corners: arrow(end, (-1.0, 0.0)), look: link.look });
            }
        }
        for edge in drawing.edges.iter().filter(|e| e.from == e.to) {
            let (look, frame) = (Look { dashed: false, circle: edge.circle }, &frames[edge.from]);
            let (right, bottom) = (frame.x + frame.width, frame.y + frame.height);
            let (from, to, low) = (right - 40.0, right - 14.0, bottom + GAP - 6.0);
            strokes.push(Stroke { points: vec![(from, bottom), (from, low), (to, low), (to, bottom)], look });
            arrows.push(Arrow { corners: arrow((to, bottom), (0.0, 1.0)), look });
        }
        // Circles are painted over the rest.
        strokes.sort_by_key(|stroke| stroke.look.circle);
        arrows.sort_by_key(|arrow| arrow.look.circle);
        let head: Vec<Label> = head
            .into_iter()
            .enumerate()
            .map(|(at, text)| Label { text, x: MARGIN, y: MARGIN + HEAD * (at as f64 + 0.5) })
            .collect();
        let lowest = (0..self.slots.len()).map(|s| y(s) + self.half(s)).fold(top, f64::max);
        let words = head.iter().map(|label| label.x + label.width()).fold(0.0, f64::max);
        let width = (x - CHANNEL).max(words) + MARGIN;
        Layout { width: width.ceil(), height: (lowest + MARGIN).ceil(), head, frames, strokes, arrows }
    }
}

/// From one point to another, level at both ends.
fn curve(from: (f64, f64), to: (f64, f64)) -> Vec<(f64, f64)> {
    const PIECES: u32 = 16;
    if (from.1 - to.1).abs() < 0.5 {
        return vec![from, to];
    }
    let middle = f64::midpoint(from.0, to.0);
    let at = |piece: u32| {
        let t = f64::from(piece) / f64::from(PIECES);
        let (a, b, c, d) =
            ((1.0 - t).powi(3), 3.0 * t * (1.0 - t).powi(2), 3.0 * t * t * (1.0 - t), t.powi(3));
        (a * from.0 + b * middle + c * middle + d * to.0, a * from.1 + b * from.1 + c * to.1 + d * to.1)
    };
    (0..=PIECES).map(at).collect()
}

/// A head with its tip here, opening this way.
fn arrow(tip: (f64, f64), way: (f64, f64)) -> [(f64, f64); 3] {
    let back = (tip.0 + 11.0 * way.0, tip.1 + 11.0 * way.1);
    let side = (5.0 * way.1, 5.0 * way.0);
    [tip, (back.0 + side.0, back.1 + side.1), (back.0 - side.0, back.1 - side.1)]
}

#[cfg(test)]
mod tests {
    use super::super::samples::{HOSTILE, drawing};
    use super::*;

    /// Does a line from here to there come inside this box?
    fn crosses(frame: &Frame, from: (f64, f64), to: (f64, f64)) -> bool {
        (1..200).any(|step| {
            let t = f64::from(step) / 200.0;
            let (x, y) = (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t);
            x > frame.x + 1.0
                && x < frame.x + frame.width - 1.0
                && y > frame.y + 1.0
                && y < frame.y + frame.height - 1.0
        })
    }

    fn is_legible(layout: &Layout) {
        for (at, a) in layout.frames.iter().enumerate() {
            assert!(a.x >= 0.0 && a.x + a.width <= layout.width, "{a:?}");
            assert!(a.y >= 0.0 && a.y + a.height <= layout.height, "{a:?}");
            let (left, right) = (a.label.x, a.label.x + a.label.width());
            assert!(left >= a.x + 4.0 && right <= a.x + a.width - 4.0, "{a:?}");
            assert!(a.label.y - 10.0 > a.y && a.label.y + 10.0 < a.y + a.height, "{a:?}");
            for b in &layout.frames[at + 1..] {
                let apart = a.x + a.width < b.x
                    || b.x + b.width < a.x
                    || a.y + a.height < b.y
                    || b.y + b.height < a.y;
                assert!(apart, "{a:?} {b:?}");
            }
            for line in &layout.head {
                assert!(line.y + 10.0 < a.y, "{line:?} {a:?}");
                assert!(line.x + line.width() <= layout.width);
            }
        }
        for stroke in &layout.strokes {
            for pair in stroke.points.windows(2) {
                for frame in &layout.frames {
                    assert!(!crosses(frame, pair[0], pair[1]), "{stroke:?} {frame:?}");
                }
            }
        }
    }

    /// Two hundred resources with edges over any distance, some of them against the order.
    fn large() -> Drawing {
        let names: Vec<String> =
            (0..200).map(|n| format!("file:/srv/{}/{n}", "deep/".repeat(n % 9))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut edges = Vec::new();
        for n in 1..200_usize {
            edges.push((n, (n * 7919) % n));
            if n % 3 == 0 {
                edges.push((n, (n * 104_729) % n));
            }
            if n % 40 == 0 {
                edges.push((n / 2, n));
            }
        }
        let mut large = drawing(&names, &edges);
        for (at, edge) in large.edges.iter_mut().enumerate() {
            edge.line = [Line::Explicit, Line::Inferred][at % 2];
            edge.circle = at % 25 == 0;
        }
        large
    }

    #[test]
    fn two_hundred_resources_can_be_read() {
        let layout = place(&large());
        is_legible(&layout);
        assert!(layout.width < 12_000.0 && layout.height < 6_000.0, "{} {}", layout.width, layout.height);
    }

    #[test]
    fn other_shapes_can_be_read_too() {
        let names: Vec<String> = (0..150).map(|n| format!("t:{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chain: Vec<(usize, usize)> = (1..150).map(|n| (n, n - 1)).collect();
        let star: Vec<(usize, usize)> = (1..150).map(|n| (n, 0)).collect();
        let funnel: Vec<(usize, usize)> = (0..149).map(|n| (149, n)).collect();
        let own: Vec<(usize, usize)> = (0..150).map(|n| (n, n)).collect();
        for edges in [vec![], chain, star, funnel, own] {
            is_legible(&place(&drawing(&names, &edges)));
        }
        is_legible(&place(&drawing(&HOSTILE, &[(1, 0), (0, 1), (2, 0)])));
        is_legible(&place(&drawing(&[], &[])));
    }

    #[test]
    fn arrows_lead_to_what_is_needed() {
        let layout = place(&drawing(&["t:a", "t:b"], &[(1, 0)]));
        let (needed, needs) = (&layout.frames[0], &layout.frames[1]);
        assert!(needed.x + needed.width < needs.x);
        let [arrow] = &layout.arrows[..] else { panic!("{:?}", layout.arrows) };
        assert_eq!(arrow.corners[0], (needed.x + needed.width, needed.y + needed.height / 2.0));
        // Around a circle the last one leads to the right.
        let layout = place(&drawing(&["t:a", "t:b"], &[(1, 0), (0, 1)]));
        let tips: Vec<f64> = layout.arrows.iter().map(|a| a.corners[0].0).collect();
        assert_eq!(tips, [layout.frames[0].x + layout.frames[0].width, layout.frames[1].x]);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("file:/a/b/c/d/e.conf", 11), "file:….conf");
        assert_eq!(shorten("漢字漢字漢字", 6), "漢…字");
        assert!(escape::width(&shorten(&"漢".repeat(90), LONGEST)) <= LONGEST);
    }

    #[test]
    fn five_thousand_are_placed_quickly() {
        let names: Vec<String> = (0..5000).map(|n| format!("t:{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chain: Vec<(usize, usize)> = (1..5000).flat_map(|n| [(n, n - 1), (n, n / 2)]).collect();
        let star: Vec<(usize, usize)> = (1..5000).map(|n| (n, 0)).collect();
        let begun = std::time::Instant::now();
        for edges in [chain, star] {
            assert_eq!(place(&drawing(&names, &edges)).frames.len(), 5000);
        }
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
