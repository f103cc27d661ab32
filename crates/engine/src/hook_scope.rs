//! The world as a hook script sees it: it may run commands, read and change key-value state, send events and read stacks.
//! Nothing it does is recorded as a resource, so it cannot declare any.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sloth_core::address::HostName;
use sloth_core::body::{
    Call, CallError, CommandCall, CommandOutcome, CustomFunctions, Outcome, Permission, Registered,
    Registration, Scope, ValueChange, WorkflowStep,
};
use sloth_core::event::{CUSTOM, Event, EventType, Severity};
use sloth_core::machine::Watch;
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::stack::Stack;
use sloth_core::store::{Seal, StackMatch, VersionAt, Wait};
use sloth_core::value::{Map, Value};
use sloth_core::value_entry::ValueEntry;

use crate::context::Context;
use crate::hooks;
use crate::session::store_failed;
use crate::values;

/// So much of what a script says is kept, in bytes.
const OUTPUT: usize = 4096;

/// The scope of one run of a hook script.
pub struct HookScope {
    ctx: Context,
    host: HostName,
    stack: Option<String>,
    end: Instant,
    said: Mutex<String>,
}

impl HookScope {
    /// For an event of this stack, until its time is over.
    #[must_use]
    pub fn new(ctx: &Context, stack: Option<&str>, end: Instant) -> Self {
        let stack = stack.map(str::to_owned);
        Self { ctx: ctx.clone(), host: HostName::local(), stack, end, said: Mutex::default() }
    }
    /// What the script said.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn no<T>(&self, what: &str) -> Result<T, CallError> {
        Err(CallError::Refused(format!(
            "a hook cannot {what}, because nothing would record it; run a workflow with `exec.run` instead"
        )))
    }
}

/// Cancels a command when the time of its script is over.
struct Until<'a>(&'a HookScope);

impl Watch for Until<'_> {
    fn line(&self, _: &'static str, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.stopping()
    }
}

impl Scope for HookScope {
    fn planning(&self) -> bool {
        false
    }
    fn host(&self) -> &HostName {
        &self.host
    }
    fn stopping(&self) -> bool {
        self.ctx.stop.asked() || Instant::now() >= self.end
    }

    fn resource(&self, call: Call) -> Result<Outcome, CallError> {
        self.no(&format!("manage resources such as `{}.{}`", call.module, call.operation))
    }
    fn custom(&self, _: Call, _: &mut dyn CustomFunctions) -> Result<Outcome, CallError> {
        self.no("manage resources such as `custom`")
    }
    fn command(&self, call: CommandCall) -> Result<CommandOutcome, CallError> {
        if call.host.as_ref().is_some_and(|host| *host != self.host) {
            return self.no("run commands on another host");
        }
        let Some(machine) = self.ctx.machine(&self.host) else { return Err(CallError::Stopped) };
        let mut command = call.command;
        let left = self.end.saturating_duration_since(Instant::now());
        command.timeout = Some(command.timeout.map_or(left, |own| own.min(left)));
        let line = command.line.clone();
        let ran = machine.run(&command, &Until(self));
        ran.map(CommandOutcome::Ran).map_err(|error| CallError::Apply { address: format!("`{line}`"), error })
    }
    fn effect(&self, _: &str) -> Result<Permission, CallError> {
        if self.stopping() { Err(CallError::Stopped) } else { Ok(Permission::Go) }
    }

    fn say(&self, _: &'static str, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < OUTPUT {
            let room = OUTPUT - said.len();
            said.push_str(&text[..text.floor_char_boundary(room)]);
            said.push('\n');
        }
    }
    fn dispatch(&self, name: &str, payload: Value) -> Result<(), CallError> {
        check_event_name(name)?;
        let stack = self.stack().map(|stack| stack.id);
        let event = Event {
            kind: EventType::Custom,
            severity: Severity::Info,
            at: self.ctx.clock.now(),
            run: None,
            task: None,
            address: None,
            message: name.to_owned(),
            payload: serde_json::json!({ "name": name, "data": payload }),
        };
        let intent = hooks::intent(&self.ctx, "hooks", Wait::Fast);
        let mut txn = self.ctx.store.begin(intent).map_err(|e| store_failed(&e))?;
        txn.event_append(stack.as_ref(), &event).map_err(|e| store_failed(&e))?;
        txn.commit(Seal::Pending).map(drop).map_err(|e| CallError::Store(e.to_string()))
    }

    fn task_outputs(&self, _: &str) -> Option<Map> {
        None
    }

    fn stack(&self) -> Option<Stack> {
        match self.ctx.store.view().ok()?.stack_find(self.stack.as_deref()?).ok()? {
            StackMatch::One(stack) => Some(*stack),
            _ => None,
        }
    }
    fn stack_name(&self) -> String {
        self.stack.clone().unwrap_or_default()
    }
    fn output_set(&self, _: Output) -> Result<(), CallError> {
        self.no("set outputs")
    }
    fn output_get(&self, name: &str) -> Result<Option<Output>, CallError> {
        self.stack.as_deref().map_or(Ok(None), |stack| self.output_of(stack, name))
    }
    fn output_of(&self, stack: &str, name: &str) -> Result<Option<Output>, CallError> {
        let view = self.ctx.store.view().map_err(|e| store_failed(&e))?;
        let StackMatch::One(stack) = view.stack_find(stack).map_err(|e| store_failed(&e))? else {
            return Err(CallError::Refused(format!("there is no stack `{stack}`")));
        };
        let all = view.output_list(&stack.id, VersionAt::Head).map_err(|e| store_failed(&e))?;
        Ok(all.into_iter().find(|output| output.name == name))
    }
    fn recorded(&self, kind: &str, name: &str) -> Result<Option<Recorded>, CallError> {
        let all = self.recorded_all()?;
        Ok(all.into_iter().find(|r| r.address.kind() == kind && r.address.id() == name))
    }
    fn recorded_all(&self) -> Result<Vec<Recorded>, CallError> {
        let Some(stack) = self.stack() else { return Ok(Vec::new()) };
        let view = self.ctx.store.view().map_err(|e| store_failed(&e))?;
        view.resource_list(&stack.id, VersionAt::Head).map_err(|e| store_failed(&e))
    }
    fn register(&self, _: Registration) -> Result<(Registered, Arc<Recorded>), CallError> {
        self.no("register resources")
    }
    fn registered_condition(
        &self,
        _: &str,
        _: &str,
        _: Condition,
        _: Option<String>,
    ) -> Result<(), CallError> {
        self.no("change registered resources")
    }
    fn depends_on(&self, _: &str) -> Result<(), CallError> {
        self.no("declare what a stack depends on")
    }
    fn workflow_begin(&self, _: &str, _: Map) -> Result<String, CallError> {
        self.no("record workflows")
    }
    fn workflow_step(&self, _: &str, _: WorkflowStep) -> Result<bool, CallError> {
        self.no("record workflows")
    }
    fn forget(&self, _: &str, _: &str) -> Result<bool, CallError> {
        self.no("forget resources")
    }

    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, CallError> {
        let view = self.ctx.store.view().map_err(|e| store_failed(&e))?;
        view.value_get(scope, key).map_err(|e| store_failed(&e))
    }
    fn value_list(&self, scope: &str, prefix: &str) -> Result<Vec<ValueEntry>, CallError> {
        let view = self.ctx.store.view().map_err(|e| store_failed(&e))?;
        view.value_list(Some(scope), prefix).map_err(|e| store_failed(&e))
    }
    fn value_change(
        &self,
        scope: &str,
        key: &str,
        change: ValueChange,
    ) -> Result<Option<ValueEntry>, CallError> {
        values::change_now(&self.ctx, scope, key, change)
    }
    fn value_lock(&self, name: &str, holder: &str, seconds: f64) -> Result<bool, CallError> {
        values::lock_now(&self.ctx, name, holder, seconds)
    }
    fn value_unlock(&self, name: &str, holder: &str) -> Result<bool, CallError> {
        values::unlock_now(&self.ctx, name, holder)
    }
}

/// Can this be the name of an event that user code sends? The type is `custom.` and the name.
pub(crate) fn check_event_name(name: &str) -> Result<(), CallError> {
    let why = if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "it is empty, or has white space or control characters in it"
    } else if name.starts_with(CUSTOM) {
        "its type begins with `custom.` without being told"
    } else if name.chars().count() > 200 {
        "it has more than 200 characters"
    } else {
        return Ok(());
    };
    Err(CallError::Refused(format!("`{}` cannot be the name of an event: {why}", name.escape_debug())))
}
