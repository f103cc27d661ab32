//! In which order resources are made; the reverse is the order in which they are removed.

use sloth_core::address::Address;
use sloth_core::deps::Dependencies;

/// Sorts addresses, given with what they name in `depends_on`, as [`Dependencies::creation_order`] says.
pub(crate) fn creation_order(items: &[(&Address, &[String])]) -> Vec<usize> {
    Dependencies::build(items).creation_order()
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
