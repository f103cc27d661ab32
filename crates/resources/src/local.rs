//! This host as a [`Machine`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sloth_core::address::HostName;
use sloth_core::command::{Command, CommandOutput};
use sloth_core::digest::Digest;
use sloth_core::machine::{Applied, ApplyError, Captured, Machine, Sight, Step, Unreachable, Watch};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::value::Value;
use sloth_core::web::Errand;
use sloth_core::workflow::Durability;

use crate::os::overlay::Overlay;
use crate::os::real::Real;
use crate::os::{Look, Touch};
use crate::provider::Provider;
use crate::resource::Work;
use crate::types;

/// How a [`LocalMachine`] works.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineOptions {
    /// When new files reach the disk.
    pub durability: Durability,
}

/// How many looks in one trip pay for another thread.
const WORTH_A_THREAD: usize = 256;

type Predicted = HashMap<(String, String), Option<Value>>;

/// A host whose system calls are at hand.
pub struct LocalMachine {
    name: HostName,
    os: Arc<dyn Touch>,
    options: MachineOptions,
    /// In a rehearsal: what types whose effects cannot be imagined said they would lead to.
    predicted: Option<Mutex<Predicted>>,
}

impl LocalMachine {
    /// A host behind any [`Touch`].
    #[must_use]
    pub fn new(name: HostName, os: Arc<dyn Touch>, options: MachineOptions) -> Self {
        Self { name, os, options, predicted: None }
    }
    /// The host this program runs on, called `local`.
    #[must_use]
    pub fn this_host(options: MachineOptions) -> Self {
        Self::new(HostName::local(), Arc::new(Real::new()), options)
    }

    fn work<'a>(&'a self, step: &'a Step, watch: &'a dyn Watch) -> Work<'a> {
        Work::new(&*self.os, &step.blobs, watch, self.options.durability == Durability::Full)
    }

    /// In a rehearsal: what a step would have led to, where looking cannot tell.
    fn remember(&self, provider: &dyn Provider, step: &Step, state: Option<&Value>) {
        if let Some(predicted) = &self.predicted
            && provider.opaque()
        {
            let mut predicted = predicted.lock().unwrap_or_else(PoisonError::into_inner);
            predicted.insert((step.kind.clone(), step.id.clone()), state.cloned());
        }
    }

    fn look(&self, sight: &Sight<'_>) -> Result<Seen, ProbeError> {
        let provider = provider(sight.kind)?;
        if let Some(predicted) = &self.predicted
            && provider.opaque()
        {
            let predicted = predicted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(state) = predicted.get(&(sight.kind.to_owned(), sight.id.to_owned())) {
                return provider.compare(sight, state.as_ref());
            }
        }
        let os: &dyn Look = &*self.os;
        provider.look(os, sight)
    }
}

pub(crate) fn provider(kind: &str) -> Result<&'static dyn Provider, ProbeError> {
    types::find(kind).ok_or_else(|| {
        ProbeError::new(format!("resource type `{kind}`"), "this machine does not know the type")
    })
}

impl Machine for LocalMachine {
    fn name(&self) -> &HostName {
        &self.name
    }
    fn observe(&self, wanted: &[Sight<'_>]) -> Result<Vec<Result<Seen, ProbeError>>, Unreachable> {
        // Asking how many processors there are takes longer than some looks.
        let threads = match wanted.len() / WORTH_A_THREAD {
            0 | 1 => 1,
            most => std::thread::available_parallelism().map_or(1, usize::from).min(most),
        };
        if threads < 2 {
            return Ok(wanted.iter().map(|sight| self.look(sight)).collect());
        }
        let share = wanted.len().div_ceil(threads);
        let look = |part: &[Sight<'_>]| part.iter().map(|sight| self.look(sight)).collect::<Vec<_>>();
        let mut seen = Vec::with_capacity(wanted.len());
        std::thread::scope(|scope| {
            let (first, others) = wanted.split_at(share);
            let others: Vec<_> =
                others.chunks(share).map(|part| (part, scope.spawn(move || look(part)))).collect();
            seen.extend(look(first));
            for (part, other) in others {
                // A look does not panic; should one do, its part is looked at again from here.
                seen.extend(other.join().unwrap_or_else(|_| look(part)));
            }
        });
        Ok(seen)
    }
    fn capture(&self, kind: &str, id: &str, live: &Value) -> Result<Captured, ProbeError> {
        let os: &dyn Look = &*self.os;
        provider(kind)?.capture(os, id, live)
    }
    fn apply(&self, step: &Step, watch: &dyn Watch) -> Result<Applied, ApplyError> {
        if watch.cancelled() {
            return Err(ApplyError::Cancelled);
        }
        let provider = provider(&step.kind)?;
        let work = self.work(step, watch);
        let state = provider.apply(&work, step)?;
        self.remember(provider, step, state.as_ref());
        Ok(Applied { state, notes: work.into_notes() })
    }
    fn apply_together(&self, steps: &[Step], watch: &dyn Watch) -> Vec<Result<Applied, ApplyError>> {
        let one_kind = steps.windows(2).all(|pair| pair[0].kind == pair[1].kind);
        let provider = match steps.first().map(|step| provider(&step.kind)) {
            Some(Ok(provider)) if one_kind && steps.len() > 1 && !watch.cancelled() => provider,
            _ => return steps.iter().map(|step| self.apply(step, watch)).collect(),
        };
        let works: Vec<Work<'_>> = steps.iter().map(|step| self.work(step, watch)).collect();
        let answers = provider.apply_together(&works, steps);
        works
            .into_iter()
            .zip(steps)
            .zip(answers)
            .map(|((work, step), answer)| {
                let state = answer?;
                self.remember(provider, step, state.as_ref());
                Ok(Applied { state, notes: work.into_notes() })
            })
            .collect()
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, ApplyError> {
        if let Some(Errand::Facts { topic, of }) = command.errand.as_deref() {
            return Ok(crate::inquiry::answer(&*self.os, topic, of.as_deref()));
        }
        match command.read_only && self.os.rehearsing() {
            true => Ok(self.os.query(command)?),
            false => Ok(self.os.run(command, watch)?),
        }
    }
    fn wish_for(
        &self,
        kind: &str,
        id: &str,
        state: Option<&Value>,
    ) -> Result<(Value, Vec<Digest>), ProbeError> {
        provider(kind)?.wish_for(id, state)
    }
    fn narrow(&self, kind: &str, wish: Value, concerns: &dyn Fn(&str) -> bool) -> Value {
        match (types::find(kind), wish) {
            (Some(provider), Value::Object(wish)) if provider.narrows() => {
                Value::Object(wish.into_iter().filter(|(key, _)| key == "kind" || concerns(key)).collect())
            }
            (_, wish) => wish,
        }
    }
    fn tidy(&self, kind: &str, id: &str) {
        if let Some(path) = types::find(kind).and_then(|provider| provider.path(id)) {
            self.os.tidy(path);
        }
    }
    fn settle(&self) -> Result<(), ApplyError> {
        Ok(self.os.settle()?)
    }
    fn rehearse(self: Arc<Self>) -> Arc<dyn Machine> {
        let base: Arc<dyn Look> = Arc::clone(&self.os) as Arc<dyn Look>;
        Arc::new(Self {
            name: self.name.clone(),
            os: Arc::new(Overlay::over(base)),
            options: self.options,
            predicted: Some(Mutex::default()),
        })
    }
}
