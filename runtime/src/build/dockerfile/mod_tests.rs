use std::{fmt::Write, fs, path::PathBuf};

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse(text.as_bytes()).unwrap()
}

fn error(text: &str) -> String {
    Dockerfile::parse(text.as_bytes()).unwrap_err().message().to_owned()
}

/// The instructions of a one-stage file.
fn instructions(text: &str) -> Vec<Instruction> {
    parse(text).stages.remove(0).instructions.into_iter().map(|line| line.node).collect()
}

fn one(line: &str) -> Instruction {
    parse_instruction(line).unwrap().node
}

fn refused(line: &str) -> String {
    let error = parse_instruction(line).unwrap_err();
    error.message().strip_prefix("dockerfile parse error on line 1: ").unwrap_or(error.message()).to_owned()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// All of a file that is no place in it.
fn shape(file: &Dockerfile) -> impl PartialEq + std::fmt::Debug + use<> {
    let globals: Vec<_> = file.global_args.iter().map(|args| args.node.clone()).collect();
    let stages = file.stages.iter().map(|stage| {
        let nodes: Vec<_> = stage.instructions.iter().map(|line| line.node.clone()).collect();
        let from = &stage.from;
        (stage.name.clone(), from.name.clone(), from.image.clone(), from.platform.clone(), nodes)
    });
    (file.directives.clone(), globals, stages.collect::<Vec<_>>())
}

fn print_and_parse_again(file: &Dockerfile) {
    let printed = file.to_string();
    let again = Dockerfile::parse(printed.as_bytes()).unwrap_or_else(|error| panic!("{error}\nin {printed}"));
    assert_eq!(shape(&again), shape(file), "printed as {printed:?}");
}

#[test]
fn directives_are_at_the_top_only() {
    let file = parse("# syntax = docker/dockerfile:1\n#escape=`\n# Check=skip=all;error=true\n\nFROM a\nRUN b `\n c\n");
    assert_eq!(file.directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(file.directives.escape, '`');
    let check = file.directives.check.clone().unwrap();
    assert!(check.error && check.skips("Anything"));
    assert_eq!(file.stages[0].instructions[0].original, "RUN b  c");
    for text in [
        "\n# escape=`\nFROM a",
        "# comment\n# escape=`\nFROM a",
        "# unknown=1\n# escape=`\nFROM a",
        "FROM a\n#escape=`",
    ] {
        assert_eq!(parse(text).directives, Directives::default(), "{text}");
    }
    let again = "dockerfile parse error on line 2: only one escape parser directive can be used";
    assert_eq!(error("# escape=\\\n# escape=\\\nFROM a"), again);
    assert!(error("# escape=x\nFROM a").ends_with("invalid escape token 'x' does not match ` or \\"));
    assert!(error("# check=sikp=all\nFROM a").ends_with("invalid check option \"sikp=all\""));
    assert!(error("# check=error=maybe\nFROM a").ends_with("failed to parse check option \"error=maybe\""));
}

#[test]
fn lines_continue_and_comments_go() {
    let file = parse(
        "\u{feff}FROM a\r\n  run one \\\r\n  # comment\r\n\t# another\r\n  two\\\t \r\n   three\r\n# end \\\r\nRUN x\r\n",
    );
    let lines = &file.stages[0].instructions;
    assert_eq!(lines[0].original, "run one   two   three");
    assert_eq!(lines[0].location, Location { first: 2, last: 6 });
    assert_eq!(lines[1].original, "RUN x");
    assert_eq!(lines[1].location, Location { first: 8, last: 8 });
    assert!(file.warnings.is_empty());
    // The reference's example: the second backslash escapes the newline.
    let file = parse("FROM a\nCOPY testfile.txt c:\\\\\nRUN dir c:\\\n");
    assert_eq!(file.stages[0].instructions[0].original, "COPY testfile.txt c:\\RUN dir c:");
    let file = parse("FROM a\nRUN a \\\n\n \\\n b\n");
    assert_eq!(file.stages[0].instructions[0].original, "RUN a   b");
    assert_eq!(file.warnings.len(), 1);
    assert_eq!(file.warnings[0].location, Location { first: 2, last: 5 });
    assert_eq!(parse("FROM a\nRUN a # b\n").stages[0].instructions[0].original, "RUN a # b");
    assert_eq!(parse("FROM a\n\\\n\n").stages[0].instructions.len(), 0);
}

#[test]
fn files_that_are_none() {
    assert_eq!(error(""), "file with no instructions");
    assert_eq!(error("# only\n\n"), "file with no instructions");
    assert_eq!(error("ARG a\n"), "dockerfile contains no stages to build");
    assert_eq!(error("RUN a\nFROM b\n"), "dockerfile parse error on line 1: no build stage in current context");
    let invalid = Dockerfile::parse(b"FROM a\n# \xff\nRUN \xff\n").unwrap_err();
    assert_eq!(invalid.message(), "dockerfile parse error on line 3: the line is not valid UTF-8");
    let fits = format!("FROM a\nRUN {}\n", "x".repeat(65_531));
    assert_eq!(parse(&fits).stages[0].instructions.len(), 1);
    let long = format!("FROM a\nRUN {}\n", "x".repeat(65_532));
    let message = "dockerfile parse error on line 2: dockerfile line greater than max allowed size of 65535";
    assert_eq!(error(&long), message);
}

#[test]
fn errors_show_the_lines() {
    let error = Dockerfile::parse(b"FROM a\n\nRNU one \\\n  two\n").unwrap_err();
    let wanted = "dockerfile parse error on line 3: unknown instruction: RNU (did you mean RUN?)\n   3 | RNU one \\\n   4 |   two";
    assert_eq!(error.to_string(), wanted);
    let long = format!("FROM a\nFOO {}", "\\\n x".repeat(20));
    let shown = Dockerfile::parse(long.as_bytes()).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 10);
    assert!(shown.ends_with("| ..."), "{shown}");
    let file = parse("FROM a\nRUN b\n");
    assert_eq!(file.excerpt(file.stages[0].instructions[0].location), "   2 | RUN b");
}

#[test]
fn heredocs() {
    let file = "FROM a\nRUN <<EOF\necho $x\n# no comment\n\\\nEOF\nRUN python3 <<-\"PY\" 3<<'B' && true\n\tprint(1)\n\tPY\nb\nB\n\
        COPY <<one <<-'two' /dst/\n1\none\n\t2\n\ttwo\nRUN echo \"<<no\" '<<no' \\<<no\nRUN [\"<<no\"]\nENV a=<<no\n";
    let file = parse(file);
    let lines = &file.stages[0].instructions;
    let Instruction::Run(run) = &lines[0].node else { panic!("{lines:?}") };
    assert_eq!(run.script(), Script::Shell("echo $x\n# no comment\n\\\n".to_owned()));
    assert_eq!(lines[0].location, Location { first: 2, last: 6 });
    let Instruction::Run(run) = &lines[1].node else { panic!("{lines:?}") };
    let names: Vec<_> = run.heredocs.iter().map(|doc| (doc.name.as_str(), doc.chomp, doc.expand)).collect();
    assert_eq!(names, [("PY", true, false), ("B", false, false)]);
    let whole = "python3 <<-\"PY\" 3<<'B' && true\n\tprint(1)\nPY\nb\nB";
    assert_eq!(run.script(), Script::Shell(whole.to_owned()));
    let Instruction::Copy(copy) = &lines[2].node else { panic!("{lines:?}") };
    let texts = copy.sources.iter().map(|source| match source {
        Source::Inline(heredoc) => (heredoc.name.as_str(), heredoc.text(), heredoc.expand),
        Source::Path(path) => panic!("{path}"),
    });
    assert_eq!(texts.collect::<Vec<_>>(), [("one", "1\n".to_owned(), true), ("two", "2\n".to_owned(), false)]);
    assert_eq!(lines.len(), 6);
    print_and_parse_again(&file);

    let Instruction::Run(run) = one("RUN <<EOF\n#!/bin/awk -f\nBEGIN {}\nEOF") else { panic!() };
    let content = "#!/bin/awk -f\nBEGIN {}\n".to_owned();
    assert_eq!(run.script(), Script::File { name: "EOF".to_owned(), content });
    let error = Dockerfile::parse(b"FROM a\nRUN <<EOF\nx\n").unwrap_err();
    assert_eq!(error.message(), "dockerfile parse error on line 2: unterminated heredoc");
    assert_eq!(refused("COPY a <<EOF\nEOF"), "COPY cannot accept a heredoc as a destination");
    assert_eq!(refused("COPY <<EOF it's /x"), "COPY has no content for the heredoc <<EOF");
    let Instruction::Onbuild(onbuild) = one("ONBUILD RUN <<-EOF\n\tx\n\tEOF") else { panic!() };
    assert_eq!(onbuild.text, "RUN <<-EOF\n\tx\nEOF");
    assert_eq!(one(&onbuild.text), *onbuild.trigger);
}

#[test]
fn commands_in_both_forms() {
    let exec = |words: &[&str]| Command::Exec(strings(words));
    let shell = |text: &str| Command::Shell(text.to_owned());
    for (line, wanted) in [
        ("CMD [\"a\", \"b c\"]", exec(&["a", "b c"])),
        ("CMD [ ]", exec(&[])),
        ("CMD", exec(&[])),
        ("cmd a  \"b\"", shell("a  \"b\"")),
        ("CMD ['a']", shell("['a']")),
        ("CMD [\"a\",]", shell("[\"a\",]")),
        ("CMD [\"a\"] b", shell("[\"a\"] b")),
        ("CMD [ -f x ]", shell("[ -f x ]")),
        ("CMD [\"\\u00e4\\n\"]", exec(&["ä\n"])),
    ] {
        assert_eq!(one(line), Instruction::Cmd(wanted), "{line}");
    }
    assert_eq!(refused("CMD [\"a\", 1]"), "when using JSON array syntax, arrays must be comprised of strings only");
    assert_eq!(one("SHELL [\"/bin/bash\"]"), Instruction::Shell(strings(&["/bin/bash"])));
    assert_eq!(refused("SHELL /bin/bash -c"), "SHELL requires the arguments to be in JSON form");
    assert_eq!(refused("SHELL []"), "SHELL requires at least one argument");
    assert_eq!(refused("RUN"), "RUN requires at least one argument");
}

#[test]
fn flags_are_checked() {
    for (line, wanted) in [
        ("RUN --mout=x a", "unknown flag: mout (did you mean mount?)"),
        ("RUN --network=non a", "unsupported network mode \"non\""),
        ("RUN --security=x a", "security \"x\" is not valid"),
        ("RUN --device=gpu a", "RUN --device is not supported: builds have no devices of the host"),
        ("RUN --network=none --network=none a", "duplicate flag specified: network"),
        ("COPY --from a b", "missing a value on flag: from"),
        ("COPY --link=perhaps a b", "expecting boolean value for flag link, not: perhaps"),
        ("COPY --link= a b", "missing a value on flag: link"),
        ("COPY --from=$x a b", "'from' doesn't support variable expansion, define alias stage instead"),
        ("ADD --parents a b", "unknown flag: parents"),
        ("COPY --unpack a b", "unknown flag: unpack"),
        ("WORKDIR --x /a", "unknown flag: x"),
        ("FOO --x /a", "unknown instruction: FOO"),
    ] {
        assert_eq!(refused(line), wanted, "{line}");
    }
    assert_eq!(refused("COPY --LINK a b"), "unknown flag: LINK");
    let Instruction::Copy(copy) = one("COPY --link=FALSE --exclude=a --exclude='b c' --chmod=u+x -- --odd b") else {
        panic!()
    };
    assert!(!copy.link);
    assert_eq!(copy.excludes, ["a", "b c"]);
    assert_eq!(copy.sources, [Source::Path("--odd".to_owned())]);
    let Instruction::Add(add) = one("ADD --unpack=false --keep-git-dir --checksum=sha256:0 a b") else { panic!() };
    assert_eq!((add.unpack, add.keep_git_dir, add.checksum.as_deref()), (Some(false), true, Some("sha256:0")));
}

#[test]
fn arguments_are_counted() {
    for (line, wanted) in [
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("USER", "USER requires exactly one argument"),
        ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument"),
        ("MAINTAINER", "MAINTAINER requires exactly one argument"),
        ("ENV", "ENV requires at least one argument"),
        ("LABEL", "LABEL requires at least one argument"),
        ("ARG", "ARG requires at least one argument"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ("VOLUME []", "VOLUME requires at least one argument"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=1 b", "Syntax error - can't find = in \"b\". Must be of the form: name=value"),
        ("ENV =1", "ENV names can not be blank"),
        ("LABEL a", "LABEL must have two arguments"),
        ("ARG =1", "ARG names can not be blank"),
        (
            "COPY a",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "ADD [\"a\"]",
            "ADD requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"),
        ("ONBUILD FOO", "unknown instruction: FOO"),
        ("FROM a", "FROM is not allowed here"),
    ] {
        assert_eq!(refused(line), wanted, "{line}");
    }
    for (line, wanted) in [
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a b c", "FROM requires either one or three arguments"),
        ("FROM a AS b c", "FROM requires either one or three arguments"),
        ("FROM a AS 1b", "invalid name for build stage: \"1b\", name can't start with a number or contain symbols"),
        ("FROM a AS b/c", "invalid name for build stage: \"b/c\", name can't start with a number or contain symbols"),
    ] {
        assert_eq!(error(line), format!("dockerfile parse error on line 1: {wanted}"), "{line}");
    }
}

#[test]
fn names_and_values() {
    let pairs = |line: &str| match one(line) {
        Instruction::Env(pairs) | Instruction::Label(pairs) => pairs,
        other => panic!("{other:?}"),
    };
    let of = |list: &[(&str, &str)], legacy| Pairs {
        pairs: list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        legacy,
    };
    assert_eq!(pairs("ENV a=1 b=\"2 3\" c=4\\ 5"), of(&[("a", "1"), ("b", "\"2 3\""), ("c", "4\\ 5")], false));
    assert_eq!(pairs("ENV a  1  2 =3"), of(&[("a", "1  2 =3")], true));
    assert_eq!(pairs("LABEL \"a b\"=c d="), of(&[("\"a b\"", "c"), ("d", "")], false));
    assert_eq!(pairs("ENV a=b=c"), of(&[("a", "b=c")], false));
    let Instruction::Arg(args) = one("ARG a b= c='1 2'") else { panic!() };
    let args: Vec<_> = args.iter().map(|arg| (arg.name.as_str(), arg.default.as_deref())).collect();
    assert_eq!(args, [("a", None), ("b", Some("")), ("c", Some("'1 2'"))]);
}

#[test]
fn healthchecks() {
    use std::time::Duration;
    let line =
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --start-interval=500ms --retries=3 CMD [\"a\"]";
    let wanted = Healthcheck::Probe {
        command: Command::Exec(strings(&["a"])),
        interval: Some(Duration::from_secs(90)),
        timeout: Some(Duration::from_millis(1500)),
        start_period: None,
        start_interval: Some(Duration::from_millis(500)),
        retries: Some(3),
    };
    assert_eq!(one(line), Instruction::Healthcheck(wanted));
    assert_eq!(one("HEALTHCHECK none"), Instruction::Healthcheck(Healthcheck::None));
    for (line, wanted) in [
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK curl x", "Unknown type \"CURL\" in HEALTHCHECK (try CMD)"),
        ("HEALTHCHECK --interval=1us CMD a", "Interval \"interval\" cannot be less than 1ms"),
        ("HEALTHCHECK --interval=1 CMD a", "time: missing unit in duration \"1\""),
        ("HEALTHCHECK --timeout=1y CMD a", "time: unknown unit \"y\" in duration \"1y\""),
        ("HEALTHCHECK --timeout=s CMD a", "time: invalid duration \"s\""),
        ("HEALTHCHECK --timeout=-1s CMD a", "time: invalid duration \"-1s\""),
        ("HEALTHCHECK --timeout=99999999h CMD a", "time: invalid duration \"99999999h\""),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
        ("HEALTHCHECK --retries=x CMD a", "invalid value for --retries: \"x\""),
        ("HEALTHCHECK --retry=1 CMD a", "unknown flag: retry"),
    ] {
        assert_eq!(refused(line), wanted, "{line}");
    }
}

#[test]
fn exposed_ports() {
    assert_eq!(ports("80").unwrap(), ["80/tcp"]);
    assert_eq!(ports("53/UDP").unwrap(), ["53/udp"]);
    assert_eq!(ports("8000-8002/sctp").unwrap(), ["8000/sctp", "8001/sctp", "8002/sctp"]);
    assert_eq!(ports("127.0.0.1:8080:80").unwrap(), ["80/tcp"]);
    assert_eq!(ports("80/").unwrap(), ["80/tcp"]);
    for (word, wanted) in [
        ("", "no port specified: <empty>"),
        ("80/icmp", "invalid proto: icmp"),
        ("x", "invalid containerPort: \"x\""),
        ("65536", "invalid containerPort: \"65536\""),
        ("9-8", "invalid containerPort: \"9-8\""),
        ("+8", "invalid containerPort: \"+8\""),
        ("1-", "invalid containerPort: \"1-\""),
    ] {
        assert_eq!(ports(word).unwrap_err(), wanted, "{word}");
    }
}

#[test]
fn odd_lines_print_as_they_parse() {
    for line in [
        "RUN -- --odd",
        "RUN echo \\",
        "RUN --mount=type=bind,target=/a\\ b\\\\c,'source=d e' x",
        "COPY [\"a b\", \"\", \"c\"]",
        "COPY [\"<<EOF\", \"x\"]",
        "COPY [\"[a\", \"x\"]",
        "COPY <<'a\"b' <<\"it's\" <<\"\\$x\" /\n1\na\"b\n2\nit's\n3\n$x\n",
        "ADD --unpack --exclude=*.c --exclude= a b",
        "VOLUME [\"/a b\", \"/c\"]",
        "VOLUME /a /b",
        "ENV a=\"x y\"  b=\\ ",
        "ENV a b  c",
        "ENTRYPOINT []",
        "EXPOSE 80 81/udp $x",
        "ONBUILD COPY <<EOF /\nx\nEOF",
        "HEALTHCHECK --interval=1h CMD --x",
        "CMD --x",
        "STOPSIGNAL $x",
        "RUN --network=none --security=insecure a",
        "LABEL a=\u{a0}b",
        "WORKDIR /a\\ b",
    ] {
        print_and_parse_again(&parse(&format!("FROM a\n{line}\n")));
    }
    print_and_parse_again(&parse("# escape=`\nFROM --platform=a`b c AS d`\n\nRUN c:`\n"));
    assert_eq!(one("run  a").to_string(), "RUN a");
}

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/build/dockerfiles"))
}

/// All that is read from a file, one line an instruction; or why it is refused.
fn reading(text: &[u8]) -> String {
    let file = match Dockerfile::parse(text) {
        Ok(file) => file,
        Err(error) => return format!("error: {error}\n"),
    };
    print_and_parse_again(&file);
    let mut shown = String::new();
    if file.directives != Directives::default() {
        writeln!(shown, "{:?}", file.directives).unwrap();
    }
    let lines = |location: Location| format!("{}-{}", location.first, location.last);
    for args in &file.global_args {
        writeln!(shown, "{} {:?}", lines(args.location), args.node).unwrap();
    }
    for stage in &file.stages {
        let From { platform, image, location, .. } = &stage.from;
        writeln!(shown, "{} stage {} {:?} from {image:?} {platform:?}", lines(*location), stage.index, stage.name)
            .unwrap();
        for line in &stage.instructions {
            writeln!(shown, "{} {:?}", lines(line.location), line.node).unwrap();
        }
    }
    for warning in &file.warnings {
        writeln!(shown, "warning {}: {}", lines(warning.location), warning.message).unwrap();
    }
    let build_args = BuildArgs::new([], "linux/amd64", "linux/amd64");
    match Graph::new(&file, &build_args, None) {
        Ok(graph) => {
            for Planned { index, base, needs, images } in graph.needed() {
                writeln!(shown, "needed {index} {base:?} {needs:?} {images:?}").unwrap();
            }
        }
        Err(error) => writeln!(shown, "no graph: {error}").unwrap(),
    }
    for Finding { rule, message, location } in
        lint(&file, LintContext { build_args: Some(&build_args), ..LintContext::default() })
    {
        writeln!(shown, "{} {rule}: {message}", lines(location)).unwrap();
    }
    shown
}

/// With `BLESS` set the expectations are written anew; to be read through before they are committed.
#[test]
fn the_corpus_reads_as_expected() {
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dockerfile"));
    paths.sort();
    assert!(paths.len() >= 60, "{} files", paths.len());
    let mut wrong = String::new();
    for path in paths {
        let shown = reading(&fs::read(&path).unwrap());
        let expected = path.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if shown != wanted {
            writeln!(wrong, "{}:\n{shown}--- wanted\n{wanted}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A Dockerfile of fragments that mean something to the parser.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "FROM",
        "RUN",
        "COPY",
        "ADD",
        "ENV",
        "ARG",
        "LABEL",
        "CMD",
        "SHELL",
        "ONBUILD",
        "HEALTHCHECK",
        "VOLUME",
        "EXPOSE",
        "WORKDIR",
        "USER",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "MAINTAINER",
        "\n",
        "\n",
        "\n",
        "\n",
        " ",
        " ",
        " ",
        " ",
        "\\",
        "\\\n",
        "`",
        "\t",
        "\r\n",
        "#",
        "# escape=`\n",
        "# check=skip=a;error=true\n",
        "<<EOF",
        "<<-'E'",
        "<<\"a b\"",
        "\nEOF\n",
        "\nE\n",
        "--",
        "--from=a",
        "--mount=type=cache,target=/x",
        "--link",
        "--exclude=",
        "--chmod=",
        "=",
        "\"",
        "'",
        "[",
        "]",
        "[\"a\", \"b c\"]",
        "[1]",
        ",",
        "a",
        "b",
        "$x",
        "${x:-y}",
        "AS",
        "scratch",
        "CMD",
        "NONE",
        "--interval=1s",
        "\u{b}",
        "\u{a0}",
        "\u{2028}",
        "ä",
        "1",
    ]);
    prop::collection::vec(fragment, 0..30).prop_map(|parts| format!("FROM a\n{}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_fragments_are_parsed_or_refused_and_print_as_they_parse(text in fragments()) {
        if let Ok(file) = Dockerfile::parse(text.as_bytes()) {
            print_and_parse_again(&file);
            let build_args = BuildArgs::new([], "linux/amd64", "linux/amd64");
            if let Ok(graph) = Graph::new(&file, &build_args, None) {
                prop_assert!(graph.needed().count() <= file.stages.len());
            }
            for finding in lint(&file, LintContext::default()) {
                prop_assert!(finding.location.last <= text.lines().count());
            }
        }
    }
    #[test]
    fn any_bytes_are_parsed_or_refused(text: Vec<u8>) {
        if let Ok(file) = Dockerfile::parse(&text) {
            print_and_parse_again(&file);
        }
    }
}
