use runtime::digest::Digest;

use super::*;

fn image(tags: &[&str], layers: &[(&str, u64)]) -> ImageView {
    use runtime::view::{HistoryView, ImageDefaults};
    let line = |(name, size_bytes): &(&str, u64)| HistoryView {
        created_at: None,
        created_by: (*name).to_owned(),
        comment: String::new(),
        size_bytes: *size_bytes,
        diff_id: (*size_bytes > 0).then(|| DiffId(Digest::of(name.as_bytes()))),
    };
    ImageView {
        summary: ImageSummary {
            id: Digest::of(format!("{tags:?}{layers:?}").as_bytes()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            digests: Vec::new(),
            created_at: None,
            added_at: Timestamp::UNIX_EPOCH,
            size_bytes: 0,
            unique_bytes: 0,
            labels: std::collections::BTreeMap::default(),
        },
        architecture: String::new(),
        variant: String::new(),
        os: String::new(),
        author: String::new(),
        config: serde_json::Value::Null,
        defaults: ImageDefaults::default(),
        layers: Vec::new(),
        history: layers.iter().map(line).collect(),
        manifest: None,
    }
}

#[test]
fn a_layer_is_free_when_nobody_else_has_it_at_its_place() {
    let a = image(&["a:1"], &[("base", 100), ("env", 0), ("a", 10)]);
    let b = image(&["b:1"], &[("base", 100), ("b", 7)]);
    let c = image(&["c:1"], &[("a", 10)]);
    let free = |go: &[&ImageView], stay: &[&ImageView]| {
        let all = |views: &[&ImageView]| views.iter().copied().cloned().collect::<Vec<_>>();
        only_in(&all(go), &all(stay))
    };
    assert_eq!(free(&[&a], &[&b, &c]), 10);
    assert_eq!(free(&[&a, &b], &[&c]), 117, "what both have counts once");
    assert_eq!(free(&[&c], &[&a, &b]), 10, "the same files on another base are another layer");
}

#[test]
fn an_image_goes_with_its_last_tag_unless_it_is_used() {
    let [two, one] = [image(&["a:1", "b:1"], &[]), image(&["c:1"], &[("x", 1)])].map(|view| view.summary);
    let images = [two.clone(), one.clone()];
    let go = |names: &[&str], used: &[ImageId]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let gone = would_go_with(&images, &used.iter().copied().collect(), &names);
        gone.into_iter().map(|image| image.id).collect::<Vec<_>>()
    };
    assert_eq!(go(&["a:1"], &[]), []);
    assert_eq!(go(&["a:1", "b:1", "c:1"], &[]), [two.id, one.id]);
    assert_eq!(go(&["a:1", "b:1", "c:1"], &[one.id]), [two.id]);
    assert_eq!(go(&[&two.id.to_string()], &[]), [two.id]);
}

#[test]
fn globs_match_as_in_go() {
    for (pattern, text) in [
        ("busybox*", "busybox:latest"),
        ("*:latest", "a:latest"),
        ("a/*", "a/b"),
        ("*/*", "a/b"),
        ("[a-c]?", "b1"),
        ("[^x]", "y"),
        (r"\*", "*"),
        ("a*b*c", "axxbyybzc"),
        ("", ""),
        ("*", ""),
    ] {
        assert!(glob(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in
        [("*", "a/b"), ("busy", "busybox"), ("a?c", "a/c"), ("[a-c]", "d"), ("[a", "a"), ("", "a"), ("a*b", "axc")]
    {
        assert!(!glob(pattern, text), "{pattern} {text}");
    }
}
