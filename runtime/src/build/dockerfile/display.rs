//! The canonical print: one line an instruction, which parses to the same instructions again.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    ArgDeclaration, Command, Dockerfile, From, Healthcheck, Heredoc, Instruction, Network, Pairs, Run, Security,
    Source, words,
};

/// A logical line being written, and the heredoc bodies to follow it.
struct LineWriter<'a> {
    text: String,
    documents: Vec<&'a Heredoc>,
}

impl<'a> LineWriter<'a> {
    fn new(keyword: &str) -> Self {
        Self { text: keyword.to_owned(), documents: Vec::new() }
    }

    /// A flag; blanks, quotes and backslashes in its value are escaped.
    fn flag(&mut self, name: &str, value: &str) {
        self.text.push_str(" --");
        self.text.push_str(name);
        self.text.push('=');
        for char in value.chars() {
            if char.is_whitespace() || matches!(char, '\'' | '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(char);
        }
    }

    fn flag_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.flag(name, value);
        }
    }

    /// The arguments; a `--` tells them from flags.
    fn arguments(&mut self, arguments: &str) {
        if arguments.starts_with("--") {
            self.text.push_str(" --");
        }
        if !arguments.is_empty() {
            self.text.push(' ');
            self.text.push_str(arguments);
        }
    }

    fn json(&mut self, arguments: &[String]) {
        self.arguments(&json(arguments));
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Shell(text) => self.arguments(text),
            Command::Exec(arguments) => self.json(arguments),
        }
    }

    /// Words, as JSON where they could not be read again as words.
    fn list(&mut self, words: &[String]) {
        let joined = words.join(" ");
        let simple = words::plain_words(&joined) == words
            && joined.trim() == joined
            && !joined.starts_with('[')
            && !words.iter().any(|word| words::heredoc(word).is_some());
        if simple {
            self.arguments(&joined);
        } else {
            self.json(words);
        }
    }

    fn operands(&mut self, sources: &'a [Source], destination: &str) {
        let inline = sources.iter().any(|source| matches!(source, Source::Inline(_)));
        let words: Vec<String> = sources
            .iter()
            .map(|source| match source {
                Source::Path(path) => path.clone(),
                Source::Inline(heredoc) => mark(heredoc),
            })
            .chain([destination.to_owned()])
            .collect();
        if inline {
            self.arguments(&words.join(" "));
        } else {
            self.list(&words);
        }
        self.documents.extend(sources.iter().filter_map(|source| match source {
            Source::Inline(heredoc) => Some(heredoc),
            Source::Path(_) => None,
        }));
    }

    fn run(&mut self, run: &'a Run) {
        for mount in &run.mounts {
            self.flag("mount", mount.text());
        }
        match run.network {
            Network::Default => {}
            Network::None => self.flag("network", "none"),
            Network::Host => self.flag("network", "host"),
        }
        if run.security == Security::Insecure {
            self.flag("security", "insecure");
        }
        self.command(&run.command);
        self.documents.extend(&run.heredocs);
    }

    fn healthcheck(&mut self, healthcheck: &Healthcheck) {
        let Healthcheck::Probe { command, interval, timeout, start_period, start_interval, retries } = healthcheck
        else {
            return self.arguments("NONE");
        };
        let durations = [
            ("interval", interval),
            ("timeout", timeout),
            ("start-period", start_period),
            ("start-interval", start_interval),
        ];
        for (name, value) in durations {
            self.flag_if(name, value.map(|value| format!("{}ns", value.as_nanos())).as_deref());
        }
        self.flag_if("retries", retries.map(|retries| retries.to_string()).as_deref());
        self.text.push_str(" CMD ");
        match command {
            Command::Shell(text) => self.text.push_str(text),
            Command::Exec(arguments) => self.text.push_str(&json(arguments)),
        }
    }

    fn finish(mut self, escape: char, f: &mut Formatter<'_>) -> fmt::Result {
        if self.text.ends_with(escape) {
            // A blank that is trimmed, but doesn't let the escape continue the line.
            self.text.push('\u{b}');
        }
        f.write_str(&self.text)?;
        for document in self.documents {
            write!(f, "\n{}{}", document.content, document.name)?;
        }
        Ok(())
    }
}

fn json(arguments: &[String]) -> String {
    serde_json::Value::from(arguments).to_string()
}

/// How a heredoc is named by COPY and ADD.
fn mark(heredoc: &Heredoc) -> String {
    let mut mark = if heredoc.chomp { "<<-".to_owned() } else { "<<".to_owned() };
    let name = &heredoc.name;
    if heredoc.expand {
        mark.push_str(name);
    } else if name.contains('\'') {
        mark.push('"');
        for char in name.chars() {
            if matches!(char, '"' | '$' | '\\') {
                mark.push('\\');
            }
            mark.push(char);
        }
        mark.push('"');
    } else {
        let _ = write!(mark, "'{name}'");
    }
    mark
}

fn declarations(declarations: &[ArgDeclaration]) -> String {
    let word = |declaration: &ArgDeclaration| match &declaration.default {
        Some(default) => format!("{}={default}", declaration.name),
        None => declaration.name.clone(),
    };
    declarations.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn pairs(pairs: &Pairs) -> String {
    let separator = if pairs.legacy { ' ' } else { '=' };
    let words: Vec<String> = pairs.pairs.iter().map(|(name, value)| format!("{name}{separator}{value}")).collect();
    words.join(" ")
}

fn write(instruction: &Instruction, escape: char, f: &mut Formatter<'_>) -> fmt::Result {
    let mut line = LineWriter::new(instruction.keyword());
    match instruction {
        Instruction::Add(add) => {
            line.flag_if("chown", add.chown.as_deref());
            line.flag_if("chmod", add.chmod.as_deref());
            line.flag_if("link", add.link.then_some("true"));
            line.flag_if("keep-git-dir", add.keep_git_dir.then_some("true"));
            line.flag_if("checksum", add.checksum.as_deref());
            line.flag_if("unpack", add.unpack.map(|unpack| if unpack { "true" } else { "false" }));
            add.excludes.iter().for_each(|exclude| line.flag("exclude", exclude));
            line.operands(&add.sources, &add.destination);
        }
        Instruction::Copy(copy) => {
            line.flag_if("from", copy.from.as_deref());
            line.flag_if("chown", copy.chown.as_deref());
            line.flag_if("chmod", copy.chmod.as_deref());
            line.flag_if("link", copy.link.then_some("true"));
            line.flag_if("parents", copy.parents.then_some("true"));
            copy.excludes.iter().for_each(|exclude| line.flag("exclude", exclude));
            line.operands(&copy.sources, &copy.destination);
        }
        Instruction::Arg(args) => line.arguments(&declarations(args)),
        Instruction::Cmd(command) | Instruction::Entrypoint(command) => line.command(command),
        Instruction::Env(env) | Instruction::Label(env) => line.arguments(&pairs(env)),
        Instruction::Expose(ports) => line.arguments(&ports.join(" ")),
        Instruction::Healthcheck(healthcheck) => line.healthcheck(healthcheck),
        Instruction::Onbuild(onbuild) => {
            line.text.push(' ');
            let (first, rest) = onbuild.text.split_once('\n').unwrap_or((&onbuild.text, ""));
            line.text.push_str(first);
            line.finish(escape, f)?;
            return if rest.is_empty() { Ok(()) } else { write!(f, "\n{rest}") };
        }
        Instruction::Run(run) => line.run(run),
        Instruction::Shell(shell) => line.json(shell),
        Instruction::Volume(volumes) => line.list(volumes),
        Instruction::Maintainer(text)
        | Instruction::StopSignal(text)
        | Instruction::User(text)
        | Instruction::Workdir(text) => line.arguments(text),
    }
    line.finish(escape, f)
}

/// As in a file with the backslash for escape.
impl Display for Instruction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, '\\', f)
    }
}

impl Display for From {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut line = LineWriter::new("FROM");
        line.flag_if("platform", self.platform.as_deref());
        line.arguments(&self.image);
        if let Some(name) = &self.name {
            line.text.push_str(" AS ");
            line.text.push_str(name);
        }
        f.write_str(&line.text)
    }
}

impl Display for Dockerfile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let escape = self.directives.escape;
        if let Some(syntax) = &self.directives.syntax {
            writeln!(f, "# syntax={syntax}")?;
        }
        if escape != '\\' {
            writeln!(f, "# escape={escape}")?;
        }
        if let Some(check) = &self.directives.check {
            let names = [("skip", &check.skip), ("experimental", &check.experimental)];
            let mut options: Vec<String> = names
                .iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(key, names)| format!("{key}={}", names.join(",")))
                .collect();
            options.push(format!("error={}", check.error));
            writeln!(f, "# check={}", options.join(";"))?;
        }
        for args in &self.global_args {
            write(&Instruction::Arg(args.node.clone()), escape, f)?;
            f.write_char('\n')?;
        }
        for stage in &self.stages {
            let from = stage.from.to_string();
            f.write_str(&from)?;
            f.write_str(if from.ends_with(escape) { "\u{b}\n" } else { "\n" })?;
            for instruction in &stage.instructions {
                write(&instruction.node, escape, f)?;
                f.write_char('\n')?;
            }
        }
        Ok(())
    }
}
