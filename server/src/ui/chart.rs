//! Small charts, drawn here as SVG paths. Gaps are gaps; the newest reading is at the right edge.

/// Readings a chart is wide.
const WIDE: usize = 180;

/// One chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// The line.
    pub line: String,
    /// The area under it.
    pub fill: String,
}

/// Draws `values`, oldest first, into 600 by `height`; `top` is the value at the upper edge.
pub fn draw(values: &[f64], top: f64, height: f64) -> Chart {
    use std::fmt::Write as _;
    if values.len() < 2 {
        return Chart::default();
    }
    let top = if top > 0.0 { top } else { 1.0 };
    let step = 600.0 / (WIDE - 1) as f64;
    let first = 600.0 - step * (values.len() - 1) as f64;
    let mut line = String::new();
    for (at, value) in values.iter().enumerate() {
        let x = first + step * at as f64;
        let y = height - (value / top).clamp(0.0, 1.0) * (height - 2.0);
        let _ = write!(line, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { " L" });
    }
    let fill = format!("{line} L600.0 {height:.1} L{first:.1} {height:.1} Z");
    Chart { line, fill }
}

/// The highest value, at least `least`.
pub fn top(values: &[f64], least: f64) -> f64 {
    values.iter().copied().fold(least, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_at_the_right_and_the_largest_on_top() {
        let chart = draw(&[0.0, 50.0, 100.0], 100.0, 60.0);
        assert!(chart.line.ends_with("L600.0 2.0"), "{}", chart.line);
        assert!(chart.line.starts_with("M593.3 60.0"), "{}", chart.line);
        assert!(chart.fill.ends_with('Z'));
        assert_eq!(draw(&[1.0], 100.0, 60.0), Chart::default());
        assert!((top(&[3.0, 7.0], 5.0) - 7.0).abs() < f64::EPSILON);
    }
}
