//! In which order resources are made; the reverse is the order in which they are removed.

use std::collections::{BTreeSet, HashMap};

use sloth_core::address::Address;

/// Sorts addresses so that each comes after what it depends on: what it names in `depends_on`, and the nearest managed
/// directory above it. Otherwise the given order is kept. Circles are broken at their first member.
pub(crate) fn creation_order(items: &[(&Address, &[String])]) -> Vec<usize> {
    let index: HashMap<String, usize> =
        items.iter().enumerate().map(|(i, (a, _))| (a.to_string(), i)).collect();
    let paths: HashMap<(&str, &str), usize> = items
        .iter()
        .enumerate()
        .filter(|(_, (a, _))| a.kind() == "file")
        .map(|(i, (a, _))| ((a.host().as_str(), a.id()), i))
        .collect();
    let mut needs: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); items.len()];
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    for (at, (address, depends_on)) in items.iter().enumerate() {
        let explicit = depends_on.iter().filter_map(|d| index.get(d).copied());
        for on in explicit.chain(parent(address, &paths)) {
            if on != at && needs[at].insert(on) {
                needed_by[on].push(at);
            }
        }
    }
    let mut missing: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut ready: BTreeSet<usize> = (0..items.len()).filter(|&i| missing[i] == 0).collect();
    let mut left: BTreeSet<usize> = (0..items.len()).collect();
    let mut order = Vec::with_capacity(items.len());
    while let Some(next) = ready.pop_first().or_else(|| left.first().copied()) {
        if !left.remove(&next) {
            continue;
        }
        order.push(next);
        for &after in &needed_by[next] {
            missing[after] = missing[after].saturating_sub(1);
            if missing[after] == 0 && left.contains(&after) {
                ready.insert(after);
            }
        }
    }
    order
}

fn parent(address: &Address, paths: &HashMap<(&str, &str), usize>) -> Option<usize> {
    // `line:/etc/hosts#key` lives in `file:/etc/hosts`.
    let path = address.id().split('#').next().unwrap_or_default();
    if !path.starts_with('/') {
        return None;
    }
    let host = address.host().as_str();
    if address.kind() != "file"
        && let Some(&own) = paths.get(&(host, path))
    {
        return Some(own);
    }
    let mut rest = path;
    while let Some(at) = rest.rfind('/') {
        rest = &rest[..at];
        if rest.is_empty() {
            return None;
        }
        if let Some(&found) = paths.get(&(host, rest)) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_and_named_dependencies_come_first() {
        let a = Address::local("file", "/srv/a/x");
        let b = Address::local("file", "/srv");
        let c = Address::local("line", "/srv/a/x#k");
        let d = Address::local("thing", "d");
        let needs = ["line:/srv/a/x#k".to_owned()];
        let order = creation_order(&[(&d, &needs), (&c, &[]), (&a, &[]), (&b, &[])]);
        assert_eq!(order, vec![3, 2, 1, 0]);
    }

    #[test]
    fn a_circle_does_not_hang() {
        let a = Address::local("thing", "a");
        let b = Address::local("thing", "b");
        let on_a = ["thing:a".to_owned()];
        let on_b = ["thing:b".to_owned()];
        assert_eq!(creation_order(&[(&a, &on_b), (&b, &on_a)]).len(), 2);
    }
}
