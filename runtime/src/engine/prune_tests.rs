#![allow(clippy::unwrap_used)]

use super::{
    super::images::tests::{Place, sample},
    *,
};
use crate::digest::ImageId;

fn user(image: ImageId) -> Vec<ImageUser> {
    vec![ImageUser { container: "0123456789ab".into(), image, running: false }]
}

#[tokio::test]
async fn what_is_unused_goes_and_the_bytes_are_true() {
    let place = Place::new();
    let (a, b, c) = (sample(&[b"base", b"a"]), sample(&[b"base", &vec![7; 300_000]]), sample(&[b"c"]));
    place.load(&a.docker_archive(&["a:1", "other/a:2"])).await.unwrap();
    place.load(&b.oci_archive(&[])).await.unwrap();
    place.load(&c.oci_archive(&[])).await.unwrap();
    let prune = |request: PruneImages, used: Vec<ImageUser>| place.images.prune(&request, &|| used.clone()).unwrap();
    let all = PruneImages { named: true, ..PruneImages::default() };
    for request in [
        PruneImages { until: Some("2020-01-01T00:00:00Z".parse().unwrap()), ..all.clone() },
        PruneImages { labels: vec!["a=c".into()], ..all.clone() },
        PruneImages { labels: vec!["a".into(), "b".into()], ..all.clone() },
        PruneImages { labels_not: vec!["a".into()], ..all.clone() },
    ] {
        assert_eq!(prune(request, vec![]), PrunedImages::default());
    }
    let used = |place: &Place| crate::snapshot::disk_usage(&place.folder.path().join("data/content/sha256")).unwrap();
    let before = used(&place);
    let unique = place.images.get(&b.id().short()).unwrap().summary.unique_bytes;
    let pruned = prune(PruneImages { labels: vec!["a=b".into()], ..PruneImages::default() }, user(c.id()));
    assert_eq!(pruned.steps.len(), 2, "the image and the layer it alone had: {:?}", pruned.steps);
    assert_eq!(pruned.steps[0], ImageRemoval::Deleted(b.id()));
    assert!(unique > 300_000 && pruned.reclaimed_bytes > unique, "its layer and its blobs");
    assert!(used(&place) < before);
    {
        let _hold = place.images.hold(a.id()).unwrap();
        assert_eq!(prune(all.clone(), user(c.id())), PrunedImages::default(), "a container is being made from it");
    }
    let pruned = prune(all.clone(), user(c.id()));
    let untagged = |name: &str| ImageRemoval::Untagged(name.into());
    assert_eq!(pruned.steps[..3], [untagged("a:1"), untagged("other/a:2"), ImageRemoval::Deleted(a.id())]);
    assert_eq!(place.images.list().len(), 1);
    prune(all, vec![]);
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
