use std::fmt::Write;

use super::*;

fn build_args(given: &[(&str, &str)]) -> BuildArgs {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    BuildArgs::new(given, "linux/arm/v7", "linux/amd64")
}

fn graph(file: &str, given: &[(&str, &str)], target: Option<&str>) -> Result<Graph, String> {
    let file = Dockerfile::parse(file.as_bytes()).unwrap();
    Graph::new(&file, &build_args(given), target).map_err(|error| error.message().to_owned())
}

fn needed(file: &str, target: Option<&str>) -> Vec<usize> {
    graph(file, &[], target).unwrap().needed().map(|stage| stage.index).collect()
}

fn image(name: &str) -> Base {
    Base::Image { name: name.to_owned(), platform: None }
}

const DIAMOND: &str = "FROM alpine AS base\nFROM base AS left\nFROM base AS right\nFROM unused AS other\n\
    FROM scratch AS last\nCOPY --from=left / /\nRUN --mount=from=right,target=/r true\nCOPY --from=busybox / /\n";

#[test]
fn only_what_the_target_needs() {
    assert_eq!(needed(DIAMOND, None), [0, 1, 2, 4]);
    assert_eq!(needed(DIAMOND, Some("")), [0, 1, 2, 4]);
    assert_eq!(needed(DIAMOND, Some("RIGHT")), [0, 2]);
    assert_eq!(needed(DIAMOND, Some("3")), [3]);
    let graph = graph(DIAMOND, &[], None).unwrap();
    assert_eq!(graph.target_index(), 4);
    assert_eq!(graph.images(), BTreeSet::from([image("alpine"), image("busybox")]));
    let last = graph.needed().last().unwrap();
    assert_eq!(last.base, Base::Scratch);
    assert_eq!(last.needs, BTreeSet::from([1, 2]));
    assert_eq!(last.images, BTreeSet::from(["busybox".to_owned()]));
    // What needs a later stage comes after it.
    assert_eq!(needed("FROM a AS a\nCOPY --from=2 / /\nFROM b\nFROM c\nFROM a", None), [2, 0, 3]);
}

#[test]
fn names_are_of_earlier_stages_and_the_last_of_them() {
    let graph =
        graph("FROM x AS x\nFROM x AS y\nFROM z AS x\nFROM x AS y\nCOPY --from=X / /\nCOPY --from=0 / /", &[], None);
    let graph = graph.unwrap();
    assert_eq!(graph.base(0), Some(&image("x")));
    assert_eq!(graph.base(1), Some(&Base::Stage(0)));
    assert_eq!(graph.base(3), Some(&Base::Stage(2)));
    assert_eq!(graph.needed().last().unwrap().needs, BTreeSet::from([0, 2]));
    assert_eq!(graph.source("Y"), Ok(Base::Stage(3)));
    assert_eq!(graph.source("1"), Ok(Base::Stage(1)));
    assert_eq!(graph.source("4"), Err("invalid stage index 4".to_owned()));
    assert_eq!(graph.source("scratch"), Ok(Base::Scratch));
    assert_eq!(graph.source("debian:12"), Ok(image("debian:12")));
}

#[test]
fn what_can_t_be_built_is_refused() {
    for (file, target, wanted) in [
        ("FROM a AS one\nFROM b", Some("two"), "target stage \"two\" could not be found"),
        ("FROM a AS build\nFROM b", Some("biuld"), "target stage \"biuld\" could not be found (did you mean build?)"),
        ("FROM a", Some("1"), "target stage \"1\" could not be found"),
        ("FROM a AS x\nCOPY --from=x / /", None, "circular dependency detected on stage: x"),
        ("FROM a\nCOPY --from=0 / /", None, "circular dependency detected on stage: stage-0"),
        ("FROM a AS x\nCOPY --from=y / /\nFROM x AS y", None, "circular dependency detected on stage: x"),
        (
            "FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nRUN --mount=from=z,target=/z true\nFROM c AS z\nCOPY --from=y / /",
            None,
            "circular dependency detected on stage: y",
        ),
        ("FROM a\nCOPY --from=7 / /", None, "invalid stage index 7"),
        ("ARG X\nFROM ${X}", None, "base name (${X}) should not be blank"),
        ("FROM $NOPE", None, "base name ($NOPE) should not be blank"),
        ("FROM --platform=$NOPE a", None, "empty platform value from expression $NOPE"),
        ("FROM ${X?}", None, "failed to process \"${X?}\": X: is not allowed to be unset"),
        ("ARG A\nARG B=1 C=${X?}\nFROM a", None, "failed to process \"${X?}\": X: is not allowed to be unset"),
    ] {
        assert_eq!(graph(file, &[], target).err().as_deref(), Some(wanted), "{file}");
    }
    let file = Dockerfile::parse(b"ARG A\nARG B=1 C=${X?}\nFROM a").unwrap();
    let error = Graph::new(&file, &build_args(&[]), None).unwrap_err();
    assert_eq!(error.location().unwrap().first, 2);
    assert!(error.to_string().ends_with("\n   2 | ARG B=1 C=${X?}"), "{error}");
}

#[test]
fn global_args_and_platforms_are_for_from() {
    let file = "ARG NAME=alpine TAG=${VERSION:-3}\nARG FULL=$NAME:$TAG\nFROM --platform=$BUILDPLATFORM $FULL\n\
        FROM --platform=${TARGETOS}/${TARGETARCH}/${TARGETVARIANT} x:$TARGETSTAGE";
    let graph_of = |given: &[(&str, &str)], target| {
        let graph = graph(file, given, target).unwrap();
        [graph.base(0).unwrap().clone(), graph.base(1).unwrap().clone()]
    };
    let image = |name: &str, platform: &str| Base::Image { name: name.to_owned(), platform: Some(platform.to_owned()) };
    let usual = graph_of(&[], None);
    assert_eq!(usual, [image("alpine:3", "linux/amd64"), image("x:default", "linux/arm/v7")]);
    let given = graph_of(&[("TAG", "9"), ("VERSION", "4"), ("TARGETVARIANT", "v8")], Some("0"));
    assert_eq!(given, [image("alpine:9", "linux/amd64"), image("x:0", "linux/arm/v8")]);
}

#[test]
fn scopes_of_stages() {
    let file = "ARG G=global\nARG H\nFROM a\n";
    let graph = graph(file, &[("GIVEN", "given"), ("HTTP_PROXY", "proxy"), ("OTHER", "o")], None).unwrap();
    let mut scope = graph.scope();
    let run = |scope: &mut Scope, line: &str| {
        scope.apply(&crate::build::dockerfile::parse_instruction(line).unwrap().node).unwrap();
    };
    // Global ARGs and platforms have to be declared again, predefined ones never.
    assert_eq!(scope.expand("$G-$TARGETARCH-$GIVEN-$HTTP_PROXY").unwrap(), "---proxy");
    run(&mut scope, "ARG G H TARGETARCH GIVEN=default OWN=own UNSET");
    assert_eq!(scope.expand("$G-$H-$TARGETARCH-$GIVEN-$OWN-${UNSET-unset}").unwrap(), "global--arm-given-own-unset");
    run(&mut scope, "ARG G=mine");
    assert_eq!(scope.expand("$G").unwrap(), "mine");
    // ENV beats ARG, whichever comes first, and doesn't see itself.
    run(&mut scope, "ENV G=env A=1 B=$A-$OWN");
    run(&mut scope, "ARG G=later");
    run(&mut scope, "ENV A=$A:2");
    assert_eq!(scope.expand("$G $A $B").unwrap(), "env 1:2 -own");
    let env: Vec<_> = scope.env().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["G=env", "A=1:2", "B=-own"]);
    let run_env: Vec<_> = scope.run_env().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let wanted = ["HTTP_PROXY=proxy", "G=env", "TARGETARCH=arm", "GIVEN=given", "OWN=own", "A=1:2", "B=-own"];
    assert_eq!(run_env, wanted);
    // A text of an ARG doesn't see the others of its instruction.
    run(&mut scope, "ARG P=1 Q=$P");
    assert_eq!(scope.expand("$P-$Q").unwrap(), "1-");
    assert_eq!(scope.expand_words("$A '$A b'").unwrap(), ["1:2", "$A b"]);
    assert_eq!(scope.expand_document("\"$G\"\n").unwrap(), "\"env\"\n");
}

#[test]
fn long_chains_are_ordered() {
    let mut file = "FROM a AS s0\n".to_owned();
    for index in 1..250 {
        writeln!(file, "FROM s{} AS s{index}\nCOPY --from={} / /", index - 1, index / 2).unwrap();
    }
    assert_eq!(needed(&file, None), (0..250).collect::<Vec<_>>());
}
