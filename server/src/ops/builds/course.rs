//! How a build goes: its steps, what they did, what it made. It is read off the log's records and nothing else, so what a
//! page shows while a build runs, after it and after a crash comes from one place.

use serde::{Deserialize, Serialize};

use super::log::{Record, What};

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// The build ended while it ran.
    Stopped,
}

/// A step as planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Name of its stage.
    pub stage: String,
    /// Line of the Dockerfile.
    pub line: usize,
    /// The instruction.
    pub text: String,
}

/// A step and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// As planned.
    #[serde(flatten)]
    pub planned: Planned,
    /// Where it stands.
    pub state: StepState,
    /// When it began, microseconds since 1970.
    pub began_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Its result was known.
    pub cached: bool,
    /// Bytes of the layer it made.
    pub layer_bytes: Option<u64>,
    /// Why it failed.
    pub message: String,
    /// Its program's exit code, when that was why.
    pub exit_code: Option<i32>,
}

/// Something a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The check's name.
    pub check: String,
    /// Line of the Dockerfile; 0 is the whole.
    pub line: usize,
    /// What and why.
    pub text: String,
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The image's id.
    pub id: String,
    /// Its names.
    pub names: Vec<String>,
    /// Bytes of its layers.
    pub size_bytes: u64,
}

/// A build's course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// In the order of the Dockerfile.
    pub steps: Vec<Step>,
    /// Of the Dockerfile.
    pub warnings: Vec<Warning>,
    /// What came of it.
    pub built: Option<Built>,
}

impl Course {
    /// Takes the next record in.
    pub fn take(&mut self, record: &Record) {
        match &record.what {
            What::Warning(warning) => self.warnings.push(warning.clone()),
            What::Plan { steps } => {
                self.steps = steps.iter().map(|step| Step { planned: step.clone(), ..Step::default() }).collect();
            }
            What::Began { step } => self.edit(*step, |one| {
                one.state = StepState::Running;
                one.began_at = Some(record.at);
            }),
            What::Done { step, cached, layer_bytes, .. } => self.edit(*step, |one| {
                one.state = StepState::Done;
                one.ended_at = Some(record.at);
                (one.cached, one.layer_bytes) = (*cached, *layer_bytes);
            }),
            What::Failed { step, message, exit_code } => self.edit(*step, |one| {
                one.state = StepState::Failed;
                one.ended_at = Some(record.at);
                (one.message, one.exit_code) = (message.clone(), *exit_code);
            }),
            What::Built(built) => self.built = Some(built.clone()),
            What::Running { .. } | What::Line { .. } | What::Full => {}
        }
    }

    /// The build ended: nothing runs any more.
    pub fn end(&mut self, at: i64) {
        for step in self.steps.iter_mut().filter(|step| step.state == StepState::Running) {
            step.state = StepState::Stopped;
            step.ended_at = Some(at);
        }
    }

    fn edit(&mut self, step: usize, change: impl FnOnce(&mut Step)) {
        if let Some(one) = self.steps.get_mut(step) {
            change(one);
        }
    }

    /// Steps done and in all; `None` before they are known.
    pub fn counts(&self) -> Option<(usize, usize)> {
        let done = self.steps.iter().filter(|step| step.state == StepState::Done).count();
        (!self.steps.is_empty()).then_some((done, self.steps.len()))
    }

    /// Steps whose results were known.
    pub fn cached(&self) -> usize {
        self.steps.iter().filter(|step| step.cached).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(text: &str) -> Planned {
        Planned { stage: "0".into(), line: 1, text: text.into() }
    }

    #[test]
    fn a_course_follows_its_records() {
        let mut course = Course::default();
        assert_eq!(course.counts(), None);
        let mut at = 0;
        let mut take = |course: &mut Course, what| {
            at += 1;
            course.take(&Record { at, what });
        };
        take(&mut course, What::Plan { steps: vec![planned("FROM a"), planned("RUN b"), planned("RUN c")] });
        take(&mut course, What::Began { step: 0 });
        take(&mut course, What::Done { step: 0, cached: true, layer_bytes: None, result: "x".into() });
        take(&mut course, What::Began { step: 1 });
        take(&mut course, What::Began { step: 9 });
        assert_eq!((course.counts(), course.cached()), (Some((1, 3)), 1));
        let mut cut = course.clone();
        cut.end(7);
        assert_eq!((cut.steps[1].state, cut.steps[1].ended_at), (StepState::Stopped, Some(7)));
        take(&mut course, What::Failed { step: 1, message: "no".into(), exit_code: Some(3) });
        let failed = &course.steps[1];
        assert_eq!((failed.state, failed.exit_code, failed.began_at), (StepState::Failed, Some(3), Some(4)));
        assert_eq!(course.steps[2].state, StepState::Waiting);
        let text = serde_json::to_string(&course).unwrap();
        assert_eq!(serde_json::from_str::<Course>(&text).unwrap(), course);
    }
}
