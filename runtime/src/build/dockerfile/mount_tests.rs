use super::*;

fn mount(text: &str) -> Mount {
    MountSpec::parse(text).unwrap().resolve(|value| Ok(value.to_owned())).unwrap()
}

fn error(text: &str) -> String {
    MountSpec::parse(text).unwrap_err()
}

#[test]
fn every_key() {
    let target = || Some("/t".to_owned());
    let cache = mount("type=cache,id=c,target=/t,sharing=locked,from=base,source=s,mode=0755,uid=1,gid=2,ro");
    let wanted = Mount {
        kind: MountKind::Cache,
        from: Some("base".to_owned()),
        source: Some("s".to_owned()),
        target: target(),
        read_only: true,
        id: Some("c".to_owned()),
        sharing: Sharing::Locked,
        mode: Some(0o755),
        uid: Some(1),
        gid: Some(2),
        ..Mount::default()
    };
    assert_eq!(cache, wanted);
    for alias in ["target", "dst", "destination", "TARGET"] {
        assert_eq!(mount(&format!("{alias}=/t")), Mount { target: target(), read_only: true, ..Mount::default() });
    }
    assert_eq!(mount("target=/t,src=a").source.as_deref(), Some("a"));
    let tmpfs = mount("type=tmpfs,target=/t,size=1.5k");
    assert_eq!(tmpfs, Mount { kind: MountKind::Tmpfs, target: target(), size: 1536, ..Mount::default() });
    let secret = mount("type=secret,id=s,env=S,required");
    assert!(secret.required && secret.read_only && secret.env.as_deref() == Some("S"));
    assert_eq!(mount("type=ssh").kind, MountKind::Ssh);
    assert_eq!(mount("\"target=/a,b\",type=bind").target.as_deref(), Some("/a,b"));
    assert_eq!(mount("\"target=/a\"\"b\"").target.as_deref(), Some("/a\"b"));
}

#[test]
fn writable_or_not() {
    for (text, read_only) in [
        ("target=/t", true),
        ("target=/t,rw", false),
        ("target=/t,readwrite=true", false),
        ("target=/t,rw=false", true),
        ("target=/t,ro=false", false),
        ("type=cache,target=/t", false),
        ("type=cache,target=/t,readonly", true),
        ("type=tmpfs,target=/t", false),
    ] {
        assert_eq!(mount(text).read_only, read_only, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, wanted) in [
        ("type=bund,target=/t", "unsupported mount type \"bund\" (did you mean bind?)"),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("targt=/t", "unexpected key 'targt' in 'targt=/t' (did you mean target?)"),
        ("target=/t,ro=perhaps", "invalid value for ro: perhaps"),
        ("target=/t,required", "unexpected key 'required' for mount type 'bind'"),
        ("target=/t,size=1", "unexpected key 'size' for mount type 'bind'"),
        ("type=cache,target=/t,env=A", "unexpected key 'env' for mount type 'cache'"),
        ("type=tmpfs,target=/t,size=big", "invalid value for size: big"),
        ("type=cache,target=/t,sharing=locket", "unsupported sharing value \"locket\" (did you mean locked?)"),
        ("target=/t,sharing=locked", "invalid cache sharing set for bind mount"),
        ("type=cache,target=/t,mode=9", "invalid value 9 for mode"),
        ("type=cache,target=/t,uid=-1", "invalid value -1 for uid"),
        ("target=/t,mode=0755", "mode not allowed for \"bind\" type mounts"),
        ("type=tmpfs,target=/t,gid=1", "gid not allowed for \"tmpfs\" type mounts"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,source=b", "both source and id can't be set"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("type=secret,id=a,sharing=shared", "secret mount should not define sharing"),
        ("type=bind", "bind mount needs a target"),
        ("type=cache", "cache mount needs a target"),
        ("from=$x,target=/t", "'from' doesn't support variable expansion, define alias stage instead"),
        ("\"target=/t", "failed to parse csv mounts: a quote is not closed"),
        ("\"target=/t\"x", "failed to parse csv mounts: text after a closing quote"),
        ("target=\"/t\"", "failed to parse csv mounts: a quote within a field"),
        ("", "invalid field '' must be a key=value pair"),
    ] {
        assert_eq!(error(text), wanted, "{text}");
    }
}

#[test]
fn variables_are_expanded_later() {
    let spec = MountSpec::parse("type=cache,id=$id,target=/$id,from=base").unwrap();
    assert_eq!(spec.from(), Some("base"));
    let mount = spec.resolve(|value| Ok(value.replace("$id", "apt"))).unwrap();
    assert_eq!((mount.id.as_deref(), mount.target.as_deref()), (Some("apt"), Some("/apt")));
    let late = MountSpec::parse("type=$kind,target=/t").unwrap();
    assert_eq!(late.resolve(|_| Ok("odd".to_owned())).unwrap_err(), "unsupported mount type \"odd\"");
}
