//! Small charts, drawn here as SVG paths. Gaps are gaps.

/// One chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// The line.
    pub line: String,
    /// The area under it.
    pub fill: String,
}

/// Draws points of place (0 at the left edge, 1 at the right) and value into 600 by `height`, places ascending; `top` is the
/// value at the upper edge. Points further apart than `gap` are not joined.
pub fn draw(points: &[(f64, f64)], gap: f64, top: f64, height: f64) -> Chart {
    use std::fmt::Write as _;
    let top = if top > 0.0 { top } else { 1.0 };
    let mut chart = Chart::default();
    for run in points.chunk_by(|a, b| b.0 - a.0 <= gap).filter(|run| run.len() > 1) {
        let mut line = String::new();
        for (at, (place, value)) in run.iter().enumerate() {
            let y = height - (value / top).clamp(0.0, 1.0) * (height - 2.0);
            let _ = write!(line, "{}{:.1} {y:.1}", if at == 0 { "M" } else { " L" }, place * 600.0);
        }
        let (first, last) = (run[0].0 * 600.0, run[run.len() - 1].0 * 600.0);
        let space = if chart.line.is_empty() { "" } else { " " };
        let _ = write!(chart.fill, "{space}{line} L{last:.1} {height:.1} L{first:.1} {height:.1} Z");
        let _ = write!(chart.line, "{space}{line}");
    }
    chart
}

/// The highest value, at least `least`.
pub fn top(values: &[f64], least: f64) -> f64 {
    values.iter().copied().fold(least, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_they_belong_and_gaps_stay_open() {
        let chart = draw(&[(0.0, 0.0), (0.5, 50.0), (1.0, 100.0)], 0.5, 100.0, 60.0);
        assert_eq!(chart.line, "M0.0 60.0 L300.0 31.0 L600.0 2.0");
        assert_eq!(chart.fill, "M0.0 60.0 L300.0 31.0 L600.0 2.0 L600.0 60.0 L0.0 60.0 Z");
        let two = draw(&[(0.0, 0.0), (0.1, 0.0), (0.5, 1.0), (0.6, 1.0), (1.0, 1.0)], 0.2, 1.0, 60.0);
        assert_eq!(two.line, "M0.0 60.0 L60.0 60.0 M300.0 2.0 L360.0 2.0");
        assert_eq!(draw(&[(1.0, 1.0)], 1.0, 100.0, 60.0), Chart::default());
        assert!((top(&[3.0, 7.0], 5.0) - 7.0).abs() < f64::EPSILON);
    }
}
