//! Instructions that change a config and nothing else, as `commit -c` and `import -c` take them.

use crate::{
    build::dockerfile::{Command, Healthcheck as Check, Instruction, Syntax, expand, parse_instruction, ports},
    error::{Error, Result},
    image::edit::{ConfigEditor, Healthcheck},
};

/// Applies them in order.
///
/// # Errors
/// One that can't be read, or that would do more than change the config.
pub(in crate::engine) fn apply(editor: &mut ConfigEditor, changes: &[String]) -> Result<()> {
    let mut cmd_set = false;
    for change in changes.iter().filter(|change| !change.trim().is_empty()) {
        let instruction = parse_instruction(change)?.node;
        cmd_set |= matches!(instruction, Instruction::Cmd(_));
        if matches!(instruction, Instruction::Entrypoint(_)) && !cmd_set {
            // An inherited CMD was meant for the inherited entry point.
            editor.set_cmd(&[]);
        }
        one(editor, instruction)?;
    }
    Ok(())
}

fn one(editor: &mut ConfigEditor, instruction: Instruction) -> Result<()> {
    let keyword = instruction.keyword();
    let env = editor.env();
    let lookup = |name: &str| {
        let set = env.iter().filter_map(|line| line.split_once('='));
        set.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let expanded = |text: &str| {
        expand(text, Syntax::argument('\\'), &lookup).map_err(|error| Error::invalid(format!("{keyword}: {error}")))
    };
    let word = |text: &str| Ok::<_, Error>(expanded(text)?.text);
    match instruction {
        Instruction::Cmd(command) => editor.set_cmd(&argv(editor, command)),
        Instruction::Entrypoint(command) => editor.set_entrypoint(&argv(editor, command)),
        Instruction::Env(pairs) => {
            for (name, value) in &pairs.pairs {
                editor.set_env(&word(name)?, &word(value)?);
            }
        }
        Instruction::Label(pairs) => {
            for (name, value) in &pairs.pairs {
                editor.add_label(&word(name)?, &word(value)?);
            }
        }
        Instruction::Expose(texts) => {
            for text in &texts {
                for port in expanded(text)?.words {
                    for port in ports(&port).map_err(Error::invalid)? {
                        editor.expose(&port);
                    }
                }
            }
        }
        Instruction::Volume(paths) => {
            for path in &paths {
                match word(path)?.trim() {
                    "" => return Err(Error::invalid("VOLUME specified can not be an empty string")),
                    path => editor.add_volume(path),
                }
            }
        }
        Instruction::User(user) => editor.set_user(&word(&user)?),
        Instruction::Workdir(dir) => editor.set_working_dir(&word(&dir)?),
        Instruction::StopSignal(signal) => {
            let signal = word(&signal)?;
            crate::container::signal::parse(&signal)?;
            editor.set_stop_signal(&signal);
        }
        Instruction::Healthcheck(check) => editor.set_healthcheck(&healthcheck(check)),
        Instruction::Onbuild(onbuild) => editor.add_onbuild(&onbuild.text),
        _ => return Err(Error::invalid(format!("{keyword} is not a valid change command"))),
    }
    Ok(())
}

fn argv(editor: &ConfigEditor, command: Command) -> Vec<String> {
    match command {
        Command::Shell(line) => editor.in_shell(&line),
        Command::Exec(words) => words,
    }
}

fn healthcheck(check: Check) -> Healthcheck {
    match check {
        Check::None => Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() },
        Check::Probe { command, interval, timeout, start_period, start_interval, retries } => {
            let test = match command {
                Command::Shell(line) => vec!["CMD-SHELL".to_owned(), line],
                Command::Exec(words) => [vec!["CMD".to_owned()], words].concat(),
            };
            Healthcheck { test, interval, timeout, start_period, start_interval, retries }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::oci::Platform;

    fn after(base: &[&str], changes: &[&str]) -> Result<serde_json::Value> {
        let mut editor = ConfigEditor::scratch(&Platform::host());
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        apply(&mut editor, &owned(base)).unwrap();
        apply(&mut editor, &owned(changes))?;
        let document: serde_json::Value = serde_json::from_slice(&editor.to_bytes()).unwrap();
        Ok(document["config"].clone())
    }

    #[test]
    fn every_kind_of_change_is_made() {
        let config = after(
            &["CMD old", "ENV A=1"],
            &[
                "ENV B=${A}2 C=\"x y\"",
                "EXPOSE 80 53/udp",
                "LABEL a=$B",
                "USER me",
                "VOLUME [\"/data\"]",
                "WORKDIR /srv",
                "WORKDIR sub",
                "STOPSIGNAL SIGINT",
                "ONBUILD RUN x",
                "HEALTHCHECK --interval=2s --retries=3 CMD true",
                "",
                "CMD [\"a\", \"b\"]",
                "ENTRYPOINT exec x",
            ],
        );
        let expected = serde_json::json!({
            "Cmd": ["a", "b"], "Entrypoint": ["/bin/sh", "-c", "exec x"], "Env": ["A=1", "B=12", "C=x y"],
            "ExposedPorts": {"53/udp": {}, "80/tcp": {}}, "Labels": {"a": "12"}, "User": "me", "Volumes": {"/data": {}},
            "WorkingDir": "/srv/sub", "StopSignal": "SIGINT", "OnBuild": ["RUN x"],
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 2_000_000_000, "Retries": 3},
        });
        assert_eq!(config.unwrap(), expected);
    }

    #[test]
    fn an_entry_point_takes_an_inherited_cmd_away() {
        let config = after(&["CMD old"], &["ENTRYPOINT [\"x\"]"]).unwrap();
        assert_eq!(config, serde_json::json!({"Entrypoint": ["x"]}));
    }

    #[test]
    fn others_are_refused() {
        let error = after(&[], &["RUN x"]).unwrap_err();
        assert_eq!(error.message(), "RUN is not a valid change command");
        for wrong in ["NONSENSE x", "ENV", "FROM x", "EXPOSE x", "STOPSIGNAL NONE", "VOLUME [\"\"]"] {
            assert_eq!(after(&[], &[wrong]).unwrap_err().kind(), crate::error::ErrorKind::Invalid, "{wrong}");
        }
    }
}
