//! A build in the classic builder's lines.
//!
//! Stages run side by side, and so do steps; the screen shows one step at a time in the order of the Dockerfile, live, and
//! holds back what the others say until it is their turn.

use std::collections::BTreeMap;

use runtime::view::{BuildEvent, BuildStep, BuiltImage};

use super::progress::{Line, PullLines};

/// Bytes of output held back for steps whose turn has not come; more is left out, and that is said.
const HELD: usize = 16 << 20;

/// What a client sees of a build.
#[derive(Debug, Default)]
pub(in crate::docker) struct Screen {
    quiet: bool,
    steps: Vec<BuildStep>,
    /// The step that is shown live.
    front: usize,
    held: BTreeMap<usize, Vec<BuildEvent>>,
    held_bytes: usize,
    containers: BTreeMap<usize, String>,
    /// The beginning of a character whose rest is still to come.
    torn: BTreeMap<usize, Vec<u8>>,
    pulls: PullLines,
    failure: Option<(String, Option<i32>)>,
    /// What a quiet build would have said, for when it fails.
    unsaid: Vec<Line>,
}

impl Screen {
    /// One that shows nothing but the image's id, or everything.
    pub(in crate::docker) fn new(quiet: bool) -> Self {
        Self { quiet, ..Self::default() }
    }

    /// The lines of an event.
    pub(in crate::docker) fn take(&mut self, event: BuildEvent) -> Vec<Line> {
        let mut lines = Vec::new();
        match step_of(&event) {
            Some(step) if step > self.front => {
                if let BuildEvent::Failed { .. } = event {
                    self.show_held(step, &mut lines);
                    self.show(event, &mut lines);
                } else {
                    self.hold(step, event);
                }
            }
            _ => {
                self.show(event, &mut lines);
                while let Some(held) = self.held.remove(&self.front) {
                    for event in held {
                        self.show(event, &mut lines);
                    }
                }
            }
        }
        if self.quiet {
            self.unsaid.append(&mut lines);
        }
        lines
    }

    fn hold(&mut self, step: usize, mut event: BuildEvent) {
        if let BuildEvent::Output { bytes, .. } = &mut event {
            if self.held_bytes > HELD {
                return;
            }
            self.held_bytes += bytes.len();
            if self.held_bytes > HELD {
                *bytes = bytes::Bytes::from_static(b"[more output was left out here; the build's log has it]\n");
            }
        }
        self.held.entry(step).or_default().push(event);
    }

    fn show_held(&mut self, step: usize, lines: &mut Vec<Line>) {
        for event in self.held.remove(&step).unwrap_or_default() {
            self.show(event, lines);
        }
    }

    fn show(&mut self, event: BuildEvent, lines: &mut Vec<Line>) {
        let mut say = |text: String| lines.push(Line::stream(text));
        match event {
            BuildEvent::Warning(warning) if warning.line == 0 => say(format!("[Warning] {}\n", warning.text)),
            BuildEvent::Warning(warning) => say(format!("[Warning] line {}: {}\n", warning.line, warning.text)),
            BuildEvent::Plan(steps) => self.steps = steps,
            BuildEvent::Began { step } => {
                if let Some(one) = self.steps.get(step) {
                    say(format!("Step {}/{} : {}", step + 1, self.steps.len(), one.text));
                    say("\n".to_owned());
                }
            }
            BuildEvent::Pull { progress, .. } => lines.extend(self.pulls.step(&progress)),
            BuildEvent::Running { step, container } => {
                say(format!(" ---> Running in {container}\n"));
                self.containers.insert(step, container);
            }
            BuildEvent::Output { step, bytes, .. } => {
                let text = self.text(step, &bytes);
                if !text.is_empty() {
                    lines.push(Line::stream(text));
                }
            }
            BuildEvent::Done { step, cached, result, .. } => {
                if let Some(torn) = self.torn.remove(&step) {
                    say(String::from_utf8_lossy(&torn).into_owned());
                }
                if cached {
                    say(" ---> Using cache\n".to_owned());
                }
                if let Some(container) = self.containers.remove(&step) {
                    say(format!(" ---> Removed intermediate container {container}\n"));
                }
                say(format!(" ---> {}\n", result.short()));
                self.front = self.front.max(step + 1);
            }
            BuildEvent::Failed { step, message, exit_code } => {
                if let Some(container) = self.containers.remove(&step) {
                    say(format!(" ---> Removed intermediate container {container}\n"));
                }
                self.failure = Some((message, exit_code));
            }
            BuildEvent::Built(_) => {}
        }
    }

    /// Bytes as text. A character that is torn between two pieces is put together.
    fn text(&mut self, step: usize, bytes: &[u8]) -> String {
        let mut all = self.torn.remove(&step).unwrap_or_default();
        all.extend_from_slice(bytes);
        if let Err(error) = std::str::from_utf8(&all)
            && error.error_len().is_none()
        {
            self.torn.insert(step, all.split_off(error.valid_up_to()));
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The last lines of a build that went well.
    pub(in crate::docker) fn built(&self, built: &BuiltImage) -> Vec<Line> {
        if self.quiet {
            return vec![Line::stream(format!("{}\n", built.id))];
        }
        let named = built.names.iter().map(|name| Line::stream(format!("Successfully tagged {name}\n")));
        [Line::image(&built.id), Line::stream(format!("Successfully built {}\n", built.id.short()))]
            .into_iter()
            .chain(named)
            .collect()
    }

    /// The last lines of one that failed for this reason.
    pub(in crate::docker) fn failed(&mut self, reason: String) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.unsaid);
        lines.push(match self.failure.take() {
            Some((message, code)) => Line::failed_with(message, code),
            None => Line::failed(reason),
        });
        lines
    }
}

fn step_of(event: &BuildEvent) -> Option<usize> {
    match event {
        BuildEvent::Pull { step, .. }
        | BuildEvent::Began { step }
        | BuildEvent::Running { step, .. }
        | BuildEvent::Output { step, .. }
        | BuildEvent::Done { step, .. }
        | BuildEvent::Failed { step, .. } => Some(*step),
        BuildEvent::Warning(_) | BuildEvent::Plan(_) | BuildEvent::Built(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use runtime::{
        digest::Digest,
        view::{BuildWarning, Stream},
    };

    use super::*;

    fn plan(texts: &[&str]) -> BuildEvent {
        let step = |text: &&str| BuildStep { stage: 0, stage_name: "0".to_owned(), line: 1, text: (*text).to_owned() };
        BuildEvent::Plan(texts.iter().map(step).collect())
    }

    fn output(step: usize, bytes: &'static [u8]) -> BuildEvent {
        BuildEvent::Output { step, stream: Stream::Stderr, bytes: Bytes::from_static(bytes) }
    }

    fn done(step: usize, cached: bool) -> BuildEvent {
        BuildEvent::Done { step, cached, result: Digest::of(&[step as u8]), layer_bytes: None }
    }

    fn running(step: usize) -> BuildEvent {
        BuildEvent::Running { step, container: format!("c{step}") }
    }

    fn wire(lines: &[Line]) -> Vec<serde_json::Value> {
        let mut buffer = Vec::new();
        for line in lines {
            line.write(&mut buffer);
        }
        let text = String::from_utf8(buffer).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a terminal would show.
    fn seen(screen: &mut Screen, events: Vec<BuildEvent>) -> String {
        let lines: Vec<Line> = events.into_iter().flat_map(|event| screen.take(event)).collect();
        wire(&lines).iter().map(|line| line["stream"].as_str().unwrap_or_default()).collect()
    }

    #[test]
    fn a_build_reads_as_the_classic_builders() {
        let mut screen = Screen::new(false);
        let warning = BuildWarning { check: String::new(), line: 2, text: "look".to_owned() };
        let shown = seen(
            &mut screen,
            vec![
                BuildEvent::Warning(warning),
                plan(&["FROM busybox", "RUN make"]),
                BuildEvent::Began { step: 0 },
                done(0, true),
                BuildEvent::Began { step: 1 },
                running(1),
                output(1, b"a \xc3"),
                output(1, b"\xb1\n"),
                done(1, false),
            ],
        );
        let (one, two) = (Digest::of(&[0]).short(), Digest::of(&[1]).short());
        assert_eq!(
            shown,
            format!(
                "[Warning] line 2: look\nStep 1/2 : FROM busybox\n ---> Using cache\n ---> {one}\nStep 2/2 : RUN make\n \
                 ---> Running in c1\na ñ\n ---> Removed intermediate container c1\n ---> {two}\n"
            )
        );
        let id = Digest::of(b"image");
        let built = BuiltImage { id, names: vec!["a:1".into(), "b:2".into()], size_bytes: 1 };
        assert_eq!(
            wire(&screen.built(&built)),
            [
                serde_json::json!({ "aux": { "ID": id.to_string() } }),
                serde_json::json!({ "stream": format!("Successfully built {}\n", id.short()) }),
                serde_json::json!({ "stream": "Successfully tagged a:1\n" }),
                serde_json::json!({ "stream": "Successfully tagged b:2\n" }),
            ]
        );
    }

    #[test]
    fn steps_side_by_side_are_shown_one_after_the_other() {
        let mut screen = Screen::new(false);
        let before = seen(
            &mut screen,
            vec![
                plan(&["RUN a", "RUN b", "RUN c"]),
                BuildEvent::Began { step: 0 },
                BuildEvent::Began { step: 1 },
                output(1, b"from b\n"),
                output(0, b"from a\n"),
                done(1, false),
                BuildEvent::Began { step: 2 },
                output(2, b"from c\n"),
            ],
        );
        assert_eq!(before, "Step 1/3 : RUN a\nfrom a\n");
        let after = seen(&mut screen, vec![done(0, false), output(2, b"more\n")]);
        let at = |text: &str| after.find(text).unwrap_or_else(|| panic!("no {text} in {after}"));
        assert!(at("Step 2/3") < at("from b") && at("from b") < at("Step 3/3") && at("from c") < at("more"));
    }

    #[test]
    fn a_failure_shows_what_its_step_said_and_carries_the_code() {
        for quiet in [false, true] {
            let mut screen = Screen::new(quiet);
            let message = "The command '/bin/sh -c false' returned a non-zero code: 7".to_owned();
            let mut lines: Vec<Line> = Vec::new();
            for event in [
                plan(&["RUN a", "RUN false"]),
                BuildEvent::Began { step: 0 },
                BuildEvent::Began { step: 1 },
                running(1),
                output(1, b"why\n"),
                BuildEvent::Failed { step: 1, message: message.clone(), exit_code: Some(7) },
            ] {
                lines.extend(screen.take(event));
            }
            assert_eq!(lines.is_empty(), quiet);
            lines.extend(screen.failed("other words".to_owned()));
            let wire = wire(&lines);
            assert!(wire.iter().any(|line| line["stream"] == "why\n"));
            let error = serde_json::json!({ "errorDetail": { "code": 7, "message": message }, "error": message });
            assert_eq!(wire.last(), Some(&error));
        }
        assert_eq!(wire(&Screen::new(false).failed("no".into()))[0]["error"], "no");
    }

    #[test]
    fn a_quiet_build_says_its_id() {
        let mut screen = Screen::new(true);
        assert!(screen.take(plan(&["FROM a"])).is_empty() && screen.take(BuildEvent::Began { step: 0 }).is_empty());
        let built = BuiltImage { id: Digest::of(b"i"), names: vec!["a:1".into()], size_bytes: 1 };
        assert_eq!(wire(&screen.built(&built)), [serde_json::json!({ "stream": format!("{}\n", built.id) })]);
    }
}
