//! From logical lines to instructions and stages.

use super::{
    ArgDeclaration, Command, Dockerfile, From, Instruction, Located, Network, Onbuild, Pairs, ParseError, Run,
    Security, Stage, Warning,
    flags::{Flags, Kind},
    healthcheck,
    lex::{self, Lexed, Line},
    mount::MountSpec,
    suggest, transfer,
    words::{self, quoted},
};

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
const RUN_FLAGS: [(&str, Kind); 4] =
    [("mount", Kind::Many), ("network", Kind::One), ("security", Kind::One), ("device", Kind::Many)];
const NO_INSTRUCTIONS: &str = "file with no instructions";
/// Stages a Dockerfile may have, and instructions: each costs a step, and a line in the history of the image.
const MOST_STAGES: usize = 250;
const MOST_INSTRUCTIONS: usize = 5000;

/// A line's instruction: FROM begins a stage, the others belong to one.
enum Parsed {
    From(From),
    Other(Instruction),
}

/// Reads a whole Dockerfile.
pub(super) fn dockerfile(text: &[u8]) -> Result<Dockerfile, ParseError> {
    let Lexed { directives, lines, source } = lex::lex(text, true)?;
    let mut file = Dockerfile { directives, global_args: Vec::new(), stages: Vec::new(), warnings: Vec::new(), source };
    if lines.is_empty() {
        return Err(ParseError::of(None, NO_INSTRUCTIONS.to_owned(), &file.source));
    }
    for (index, line) in lines.into_iter().enumerate() {
        let location = line.location;
        let fail = |message: &str| ParseError::at(location, message, &file.source);
        if index >= MOST_INSTRUCTIONS {
            return Err(fail(&format!("more than {MOST_INSTRUCTIONS} instructions")));
        }
        let parsed = instruction(&line, file.directives.escape).map_err(|message| fail(&message))?;
        if line.empty_continuation {
            let message = format!("Empty continuation line found in: {}", line.text);
            file.warnings.push(Warning { message, location });
        }
        if matches!(parsed, Parsed::From(_)) && file.stages.len() >= MOST_STAGES {
            return Err(fail(&format!("more than {MOST_STAGES} stages")));
        }
        match (parsed, file.stages.last_mut()) {
            (Parsed::From(from), _) => begin(&mut file, from),
            (Parsed::Other(instruction), Some(stage)) => {
                stage.instructions.push(Located { node: instruction, location, original: line.text });
            }
            (Parsed::Other(Instruction::Arg(declarations)), None) => {
                file.global_args.push(Located { node: declarations, location, original: line.text });
            }
            (Parsed::Other(_), None) => return Err(fail("no build stage in current context")),
        }
    }
    if file.stages.is_empty() {
        return Err(ParseError::of(None, "dockerfile contains no stages to build".to_owned(), &file.source));
    }
    Ok(file)
}

fn begin(file: &mut Dockerfile, from: From) {
    let name = from.name.as_ref().map(|name| name.to_lowercase());
    if let Some(name) = &name
        && file.stages.iter().any(|stage| stage.name.as_ref() == Some(name))
    {
        let message = format!("Duplicate stage name {}, stage names should be unique", quoted(name));
        file.warnings.push(Warning { message, location: from.location });
    }
    file.stages.push(Stage { index: file.stages.len(), name, from, instructions: Vec::new() });
}

/// Reads one instruction that is no FROM: a trigger of a base image, a change of a commit.
pub fn parse_instruction(text: &str) -> Result<Located<Instruction>, ParseError> {
    let Lexed { directives, lines, source } = lex::lex(text.as_bytes(), false)?;
    let mut lines = lines.into_iter();
    let Some(line) = lines.next() else {
        return Err(ParseError::of(None, NO_INSTRUCTIONS.to_owned(), &source));
    };
    let fail = |message: &str| ParseError::at(line.location, message, &source);
    if let Some(second) = lines.next() {
        return Err(ParseError::at(second.location, "only one instruction is expected", &source));
    }
    match instruction(&line, directives.escape).map_err(|message| fail(&message))? {
        Parsed::Other(instruction) => Ok(Located { node: instruction, location: line.location, original: line.text }),
        Parsed::From(_) => Err(fail("FROM is not allowed here")),
    }
}

fn instruction(line: &Line, escape: char) -> Result<Parsed, String> {
    let (keyword, rest) = words::split_first(&line.text);
    let (flags, arguments) = words::take_flags(rest);
    let keyword = keyword.to_ascii_uppercase();
    if keyword == "FROM" {
        return Ok(Parsed::From(from(&flags, arguments, line)?));
    }
    let parsed = match keyword.as_str() {
        "ADD" => transfer::add(&flags, arguments, &line.heredocs),
        "COPY" => transfer::copy(&flags, arguments, &line.heredocs),
        "RUN" => run(&flags, arguments, line),
        "HEALTHCHECK" => healthcheck::parse(&flags, arguments),
        "ONBUILD" => onbuild(&flags, arguments, line, escape),
        _ => {
            let parsed = flagless(&keyword, arguments, escape);
            // An unknown instruction is the greater mistake.
            parsed.and_then(|instruction| Flags::parse(&flags, &[]).map(|_| instruction))
        }
    };
    parsed.map(Parsed::Other)
}

/// Instructions that have no flags.
fn flagless(keyword: &str, arguments: &str, escape: char) -> Result<Instruction, String> {
    let one = || match arguments {
        "" => Err(format!("{keyword} requires exactly one argument")),
        _ => Ok(arguments.to_owned()),
    };
    let at_least_one = || format!("{keyword} requires at least one argument");
    Ok(match keyword {
        "ARG" => Instruction::Arg(declarations(arguments, escape)?),
        "CMD" => Instruction::Cmd(command(arguments)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(arguments)?),
        "ENV" => Instruction::Env(pairs(keyword, arguments, escape)?),
        "LABEL" => Instruction::Label(pairs(keyword, arguments, escape)?),
        "EXPOSE" if arguments.is_empty() => return Err(at_least_one()),
        "EXPOSE" => Instruction::Expose(words::plain_words(arguments).into_iter().map(str::to_owned).collect()),
        "MAINTAINER" => Instruction::Maintainer(one()?),
        "SHELL" => match words::json(arguments)? {
            Some(shell) if shell.is_empty() => return Err(at_least_one()),
            Some(shell) => Instruction::Shell(shell),
            None if arguments.is_empty() => return Err(at_least_one()),
            None => return Err("SHELL requires the arguments to be in JSON form".to_owned()),
        },
        "STOPSIGNAL" => Instruction::StopSignal(one()?),
        "USER" => Instruction::User(one()?),
        "WORKDIR" => Instruction::Workdir(one()?),
        "VOLUME" => {
            let volumes = words::json(arguments)?
                .unwrap_or_else(|| words::plain_words(arguments).into_iter().map(str::to_owned).collect());
            let volumes: Vec<String> = volumes.iter().map(|volume| volume.trim().to_owned()).collect();
            if volumes.is_empty() {
                return Err(at_least_one());
            }
            if volumes.iter().any(String::is_empty) {
                return Err("VOLUME specified can not be an empty string".to_owned());
            }
            Instruction::Volume(volumes)
        }
        _ => return Err(format!("unknown instruction: {keyword}{}", suggest::suffix(keyword, KEYWORDS))),
    })
}

fn from(flags: &[String], arguments: &str, line: &Line) -> Result<From, String> {
    let words = words::plain_words(arguments);
    let (image, name) = match words.as_slice() {
        [image] => (*image, None),
        [image, keyword, name] if keyword.eq_ignore_ascii_case("as") => (*image, Some(*name)),
        _ => return Err("FROM requires either one or three arguments".to_owned()),
    };
    if let Some(name) = name {
        let lower = name.to_lowercase();
        let fine = lower.starts_with(|char: char| char.is_ascii_lowercase())
            && lower.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
        if !fine {
            return Err(format!(
                "invalid name for build stage: {}, name can't start with a number or contain symbols",
                quoted(name)
            ));
        }
    }
    let mut flags = Flags::parse(flags, &[("platform", Kind::One)])?;
    Ok(From {
        platform: flags.one("platform"),
        image: image.to_owned(),
        name: name.map(str::to_owned),
        location: line.location,
        original: line.text.clone(),
    })
}

/// Exec form if it is a JSON array of strings, shell form else. Nothing at all is an empty exec form.
fn command(arguments: &str) -> Result<Command, String> {
    Ok(match words::json(arguments)? {
        Some(arguments) => Command::Exec(arguments),
        None if arguments.is_empty() => Command::Exec(Vec::new()),
        None => Command::Shell(arguments.to_owned()),
    })
}

fn run(flags: &[String], arguments: &str, line: &Line) -> Result<Instruction, String> {
    let mut flags = Flags::parse(flags, &RUN_FLAGS)?;
    if !flags.many("device").is_empty() {
        return Err("RUN --device is not supported: builds have no devices of the host".to_owned());
    }
    let network = match flags.one("network").as_deref() {
        None | Some("default") => Network::Default,
        Some("none") => Network::None,
        Some("host") => Network::Host,
        Some(other) => return Err(format!("unsupported network mode {}", quoted(other))),
    };
    let security = match flags.one("security").as_deref() {
        None | Some("sandbox") => Security::Sandbox,
        Some("insecure") => Security::Insecure,
        Some(other) => return Err(format!("security {} is not valid", quoted(other))),
    };
    let mounts = flags.many("mount").iter().map(|mount| MountSpec::parse(mount)).collect::<Result<_, _>>()?;
    let command = command(arguments)?;
    if command == Command::Exec(Vec::new()) {
        return Err("RUN requires at least one argument".to_owned());
    }
    Ok(Instruction::Run(Run { mounts, network, security, command, heredocs: line.heredocs.clone() }))
}

fn declarations(arguments: &str, escape: char) -> Result<Vec<ArgDeclaration>, String> {
    let words = words::quoted_words(arguments, escape);
    if words.is_empty() {
        return Err("ARG requires at least one argument".to_owned());
    }
    let declare = |word: String| match word.split_once('=') {
        Some(("", _)) => Err("ARG names can not be blank".to_owned()),
        Some((name, default)) => Ok(ArgDeclaration { name: name.to_owned(), default: Some(default.to_owned()) }),
        None => Ok(ArgDeclaration { name: word, default: None }),
    };
    words.into_iter().map(declare).collect()
}

/// `NAME=value …`, or the legacy `NAME value`: which one the first word tells.
fn pairs(keyword: &str, arguments: &str, escape: char) -> Result<Pairs, String> {
    let words = words::quoted_words(arguments, escape);
    let Some(first) = words.first() else { return Err(format!("{keyword} requires at least one argument")) };
    if !first.contains('=') {
        let (name, value) = words::split_first(arguments);
        if value.is_empty() {
            return Err(format!("{keyword} must have two arguments"));
        }
        return Ok(Pairs { pairs: vec![(name.to_owned(), value.to_owned())], legacy: true });
    }
    let pair = |word: &String| match word.split_once('=') {
        None => Err(format!("Syntax error - can't find = in {}. Must be of the form: name=value", quoted(word))),
        Some(("", _)) => Err(format!("{keyword} names can not be blank")),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    };
    Ok(Pairs { pairs: words.iter().map(pair).collect::<Result<_, _>>()?, legacy: false })
}

fn onbuild(flags: &[String], arguments: &str, line: &Line, escape: char) -> Result<Instruction, String> {
    Flags::parse(flags, &[])?;
    let keyword = words::split_first(arguments).0.to_ascii_uppercase();
    match keyword.as_str() {
        "" => return Err("ONBUILD requires at least one argument".to_owned()),
        "ONBUILD" => return Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        "FROM" | "MAINTAINER" => return Err(format!("{keyword} isn't allowed as an ONBUILD trigger")),
        _ => {}
    }
    let mut text = arguments.to_owned();
    for heredoc in &line.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    let line = Line { text: arguments.to_owned(), ..line.clone() };
    match instruction(&line, escape)? {
        Parsed::Other(trigger) => Ok(Instruction::Onbuild(Onbuild { text, trigger: Box::new(trigger) })),
        Parsed::From(_) => Err("FROM isn't allowed as an ONBUILD trigger".to_owned()),
    }
}
