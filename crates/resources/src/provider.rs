//! Resource types without their Rust types: what the machine and the catalog hold.

use serde::Deserialize;
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Declared, Kind, Operation, Sources};
use sloth_core::machine::{ApplyError, Captured, Sight, Step};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::value::{Value, to_value};

use crate::os::Look;
use crate::resource::{Item, Resource, Wish, Work};

/// The verbs of a [`Resource`], over plain values.
pub trait Provider: Send + Sync {
    /// See [`Resource::kind`].
    fn kind(&self) -> &'static Kind;
    /// See [`Resource::operations`].
    fn operations(&self) -> &'static [Operation];
    /// See [`Resource::OPAQUE`].
    fn opaque(&self) -> bool;
    /// See [`Resource::NARROWS`].
    fn narrows(&self) -> bool;
    /// See [`Resource::path`].
    fn path<'a>(&self, id: &'a str) -> Option<&'a str>;
    /// See [`Resource::declare`].
    ///
    /// # Errors
    /// The arguments make no sense together, or a source cannot be read.
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError>;
    /// Looks, and compares with the wish and the record.
    ///
    /// # Errors
    /// It cannot be told what is there.
    fn look(&self, os: &dyn Look, sight: &Sight<'_>) -> Result<Seen, ProbeError>;
    /// Compares a state that is already known.
    ///
    /// # Errors
    /// The wish or the state is not of this type.
    fn compare(&self, sight: &Sight<'_>, state: Option<&Value>) -> Result<Seen, ProbeError>;
    /// Carries out a step and returns what is true now.
    ///
    /// # Errors
    /// See [`ApplyError`].
    fn apply(&self, work: &Work<'_>, step: &Step) -> Result<Option<Value>, ApplyError>;
    /// Carries out steps of one call; one answer per step, in order. There is one `work` per step.
    fn apply_together(&self, works: &[Work<'_>], steps: &[Step]) -> Vec<Result<Option<Value>, ApplyError>>;
    /// See [`Resource::wish_for`].
    ///
    /// # Errors
    /// The state is not of this type.
    fn wish_for(&self, id: &str, state: Option<&Value>) -> Result<(Value, Vec<Digest>), ProbeError>;
    /// See [`Resource::capture`].
    ///
    /// # Errors
    /// It cannot be read.
    fn capture(&self, os: &dyn Look, id: &str, live: &Value) -> Result<Captured, ProbeError>;
}

/// Any [`Resource`] as a [`Provider`].
pub struct Erased<R>(pub R);

fn parse<'a, T: Deserialize<'a>>(what: &str, id: &str, value: &'a Value) -> Result<T, ProbeError> {
    T::deserialize(value).map_err(|error| ProbeError::new(format!("the {what} of `{id}`"), error))
}

/// What changed since the record, in the attributes that matter.
fn since(managed: &[&str], live: Option<&Value>, recorded: Option<&Value>) -> Diff {
    let mut since = Diff::none();
    match (live, recorded) {
        (Some(live), Some(recorded)) => {
            for name in managed {
                let (from, to) = (live.get(name), recorded.get(name));
                if from != to {
                    since.compare(name, from.cloned(), to.cloned());
                }
            }
        }
        (None, None) => {}
        (live, recorded) => {
            let there = |state: Option<&Value>| state.map(|_| Value::Bool(true));
            since.compare(PRESENCE, there(live), there(recorded));
        }
    }
    since
}

impl<R: Resource> Erased<R> {
    fn seen(
        &self,
        spec: Option<&R::Spec>,
        state: Option<&R::State>,
        sight: &Sight<'_>,
    ) -> Result<Seen, ProbeError> {
        let value = state.map(to_value);
        let since = match sight.recorded {
            None => Diff::none(),
            Some(recorded) => {
                let all =
                    || recorded.and_then(Value::as_object).map(|m| m.keys().map(String::as_str).collect());
                let managed = spec.map_or_else(|| all().unwrap_or_default(), |spec| self.0.managed(spec));
                since(&managed, value.as_ref(), recorded)
            }
        };
        let diff = spec.map_or_else(Diff::none, |spec| self.0.diff(spec, state));
        Ok(Seen { state: value, diff, since })
    }
}

impl<R: Resource> Provider for Erased<R> {
    fn kind(&self) -> &'static Kind {
        self.0.kind()
    }
    fn operations(&self) -> &'static [Operation] {
        self.0.operations()
    }
    fn opaque(&self) -> bool {
        R::OPAQUE
    }
    fn narrows(&self) -> bool {
        R::NARROWS
    }
    fn path<'a>(&self, id: &'a str) -> Option<&'a str> {
        R::path(id)
    }
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError> {
        let wishes = self.0.declare(operation, args, sources)?;
        let declared =
            |wish: Wish<R::Spec>| Declared { id: wish.id, spec: to_value(&wish.spec), blobs: wish.blobs };
        Ok(wishes.into_iter().map(declared).collect())
    }
    fn look(&self, os: &dyn Look, sight: &Sight<'_>) -> Result<Seen, ProbeError> {
        let spec: Option<R::Spec> = sight.spec.map(|s| parse("wish", sight.id, s)).transpose()?;
        // Only who needs it pays for reading the record: without a wish it is all there is, types made of commands have
        // to find those somewhere, and some remember what cannot be seen.
        let recorded: Option<R::State> = match sight.recorded {
            Some(Some(state)) if R::OPAQUE || R::REMEMBERS || sight.spec.is_none() => {
                Some(parse("recorded state", sight.id, state)?)
            }
            _ => None,
        };
        let state = self.0.observe(os, sight.id, spec.as_ref(), recorded.as_ref())?;
        let mut seen = self.seen(spec.as_ref(), state.as_ref(), sight)?;
        if let Some(spec) = spec.as_ref().filter(|_| !seen.diff.is_empty()) {
            self.0.explain(os, sight.id, spec, sight.blobs, &mut seen.diff);
        }
        Ok(seen)
    }
    fn compare(&self, sight: &Sight<'_>, state: Option<&Value>) -> Result<Seen, ProbeError> {
        let spec: Option<R::Spec> = sight.spec.map(|s| parse("wish", sight.id, s)).transpose()?;
        let state: Option<R::State> = state.map(|s| parse("state", sight.id, s)).transpose()?;
        self.seen(spec.as_ref(), state.as_ref(), sight)
    }
    fn apply(&self, work: &Work<'_>, step: &Step) -> Result<Option<Value>, ApplyError> {
        let live: Option<R::State> = step.live.as_ref().map(|s| parse("state", &step.id, s)).transpose()?;
        let state = match &step.spec {
            None => self.0.delete(work, &step.id, live.as_ref())?,
            Some(spec) => {
                let spec: R::Spec = parse("wish", &step.id, spec)?;
                self.0.apply(work, &step.id, &spec, live.as_ref())?
            }
        };
        Ok(state.as_ref().map(to_value))
    }
    fn apply_together(&self, works: &[Work<'_>], steps: &[Step]) -> Vec<Result<Option<Value>, ApplyError>> {
        type Parsed<R> = (<R as Resource>::Spec, Option<<R as Resource>::State>);
        let parsed: Result<Vec<Parsed<R>>, ProbeError> = steps
            .iter()
            .map(|step| {
                let spec = step.spec.as_ref().ok_or_else(|| ProbeError::new("the wish", "there is none"))?;
                let live = step.live.as_ref().map(|s| parse("state", &step.id, s)).transpose()?;
                Ok((parse("wish", &step.id, spec)?, live))
            })
            .collect();
        // Removals, and wishes that cannot be read, are looked at one by one.
        let Ok(parsed) = parsed else {
            return works.iter().zip(steps).map(|(work, step)| self.apply(work, step)).collect();
        };
        let items: Vec<Item<'_, R::Spec, R::State>> = works
            .iter()
            .zip(steps)
            .zip(&parsed)
            .map(|((work, step), (spec, live))| Item { work, id: &step.id, spec, live: live.as_ref() })
            .collect();
        let answers = self.0.apply_together(&items);
        answers.into_iter().map(|answer| answer.map(|state| state.as_ref().map(to_value))).collect()
    }
    fn wish_for(&self, id: &str, state: Option<&Value>) -> Result<(Value, Vec<Digest>), ProbeError> {
        let state: Option<R::State> = state.map(|s| parse("state", id, s)).transpose()?;
        let (spec, contents) = self.0.wish_for(id, state.as_ref());
        Ok((to_value(&spec), contents))
    }
    fn capture(&self, os: &dyn Look, id: &str, live: &Value) -> Result<Captured, ProbeError> {
        let live: R::State = parse("state", id, live)?;
        self.0.capture(os, id, &live)
    }
}
