//! What user code sees while it is planned or run: every effect goes through here.

use std::sync::Arc;

use sloth_core::address::{Address, HostName};
use sloth_core::body::{
    Call, CallError, CommandCall, CommandOutcome, CustomFunctions, Outcome, Permission, Registered,
    Registration, Scope, ValueChange, WorkflowStep,
};
use sloth_core::change::Action;
use sloth_core::decide::{Facts, PRESENCE, decide};
use sloth_core::desired::Desired;
use sloth_core::diff::{AttributeDiff, Diff};
use sloth_core::digest::Digest;
use sloth_core::event::{EventType, Severity};
use sloth_core::journal::Subject;
use sloth_core::machine::ApplyError;
use sloth_core::observed::Seen;
use sloth_core::output::Output;
use sloth_core::plan::PlanStep;
use sloth_core::recorded::{Condition, REGISTERED, Recorded};
use sloth_core::sink::Signal;
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value, to_value};
use sloth_core::value_entry::ValueEntry;

use crate::perform::{Leave, Work};
use crate::session::{Session, store_failed};
use crate::values;

/// Key in the wish of a custom resource whose probe and effects are functions.
pub(crate) const FUNCTIONS: &str = "functions";

pub(crate) struct UnitScope {
    pub session: Arc<Session>,
    pub task: String,
    pub host: HostName,
}

impl UnitScope {
    fn address(&self, host: Option<HostName>, kind: &str, id: &str) -> Address {
        Address::new(host.unwrap_or_else(|| self.host.clone()), kind, id)
    }
    fn desired(&self, call: Call) -> Desired {
        Desired {
            address: self.address(call.host, call.kind, &call.declared.id),
            module: call.module.to_owned(),
            operation: call.operation.to_owned(),
            spec: call.declared.spec,
            blobs: call.declared.blobs,
            options: call.options,
            span: call.span,
        }
    }
    /// The place of a command in its program: task, host, command, and how many equal ones came before it.
    fn command_key(&self, host: &HostName, command: &sloth_core::command::Command) -> String {
        let place = serde_json::json!([self.task, host, to_value(command)]);
        let base = Digest::of_value(&place).hex();
        let mut ledger = self.session.ledger();
        let ordinal = ledger.command_ordinals.entry(base.clone()).or_insert(0);
        *ordinal += 1;
        format!("{base}#{ordinal}")
    }
}

impl Scope for UnitScope {
    fn planning(&self) -> bool {
        self.session.planning
    }
    fn host(&self) -> &HostName {
        &self.host
    }
    fn stopping(&self) -> bool {
        self.session.ctx.stop.asked()
    }

    fn resource(&self, call: Call) -> Result<Outcome, CallError> {
        self.session.bring(&self.task, self.desired(call))
    }
    fn resources(&self, calls: Vec<Call>) -> Vec<Result<Outcome, CallError>> {
        let wishes = calls.into_iter().map(|call| self.desired(call)).collect();
        self.session.bring_together(&self.task, wishes)
    }

    fn custom(&self, call: Call, functions: &mut dyn CustomFunctions) -> Result<Outcome, CallError> {
        let mut desired = self.desired(call);
        let properties = std::mem::take(&mut desired.spec);
        desired.spec = serde_json::json!({ FUNCTIONS: true, "properties": properties });
        self.session.bring_custom(&self.task, desired, &properties_of, functions)
    }

    fn command(&self, call: CommandCall) -> Result<CommandOutcome, CallError> {
        let session = &self.session;
        session.gate()?;
        let host = call.host.unwrap_or_else(|| self.host.clone());
        let command = call.command;
        let unknown = || CallError::Refused(format!("host `{host}` is not known"));
        let planned = session.planning && !command.read_only;
        // A question to the network or about the host is no command that anybody wrote.
        if !command.read_only || command.errand.is_none() {
            session.ctx.sink.signal(&Signal::Command {
                task: &self.task,
                host: &host,
                line: &command.line,
                planned,
            });
        }
        let wrap =
            |error: ApplyError| CallError::Apply { address: format!("command `{}`", command.line), error };
        if command.read_only {
            // Reading is allowed while planning too, on the real machine.
            let machine = session.ctx.machine(&host).ok_or_else(unknown)?;
            return machine
                .run(&command, &session.watch_for(&self.task))
                .map(CommandOutcome::Ran)
                .map_err(wrap);
        }
        let key = self.command_key(&host, &command);
        if session.planning {
            let rehearsing = session.machines.get(&host).ok_or_else(unknown)?;
            // It does not run; the rehearsal learns that anything may have changed from here on.
            let _ = rehearsing.run(&command, &sloth_core::machine::Unwatched);
            let mut ledger = session.ledger();
            let maybe = ledger.uncertain.get(&self.task).cloned();
            ledger.count(&self.task, |c| c.commands += 1);
            ledger
                .uncertain
                .entry(self.task.clone())
                .or_insert_with(|| format!("after `{}` ran", command.line));
            ledger.steps.push(PlanStep::Command {
                task: self.task.clone(),
                host: host.to_string(),
                command,
                key,
                maybe,
            });
            return Ok(CommandOutcome::WouldRun);
        }
        if let Some(guard) = &session.guard {
            guard.admit_command(&key, &command.line)?;
        }
        let earlier = session.replay.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(&key);
        if let Some(earlier) = earlier {
            let Some(output) = earlier.output else {
                return Err(CallError::Refused(format!(
                    "command `{}` began in a run that died and nobody knows whether it ended; it was not run again. \
                     Look, then say `resume --adopt {id}` (it happened) or `resume --redo {id}` (run it again)",
                    command.line,
                    id = earlier.id
                )));
            };
            let text = format!("command `{}` ended in the run that died and was not run again", command.line);
            session.ctx.notice(Severity::Info, &text);
            // Once more on record, so that dying again does not forget it.
            let subject = Subject::Command { host: host.to_string(), command, key };
            let seq = session.begin_step(&self.task, subject, &[])?;
            session.end_step(seq, Some(&to_value(&output)))?;
            session.booked(Some(seq));
            return Ok(CommandOutcome::Ran(output));
        }
        let machine = Arc::clone(session.machines.get(&host).ok_or_else(unknown)?);
        let subject = Subject::Command { host: host.to_string(), command: command.clone(), key };
        let seq = session.begin_step(&self.task, subject, &[])?;
        let ran = machine.run(&command, &session.watch_for(&self.task));
        crate::failpoint::pass("after-effect");
        match ran {
            Ok(output) => {
                session.end_step(seq, Some(&to_value(&output)))?;
                session.booked(Some(seq));
                crate::failpoint::pass("after-result");
                session.ledger().count(&self.task, |c| c.commands += 1);
                Ok(CommandOutcome::Ran(output))
            }
            Err(error) => {
                session.fail_step(seq, &error.to_string())?;
                Err(wrap(error))
            }
        }
    }

    fn effect(&self, what: &str) -> Result<Permission, CallError> {
        self.session.gate()?;
        if self.session.planning {
            let step = PlanStep::Effect { task: self.task.clone(), what: what.to_owned() };
            self.session.ledger().steps.push(step);
            return Ok(Permission::Listed);
        }
        if let Some(guard) = &self.session.guard {
            guard.admit_effect(what)?;
        }
        Ok(Permission::Go)
    }

    fn say(&self, stream: &'static str, text: &str) {
        for line in text.split('\n') {
            self.session.ctx.sink.signal(&Signal::Line { task: Some(&self.task), stream, text: line });
        }
    }

    fn dispatch(&self, name: &str, payload: Value) -> Result<(), CallError> {
        crate::hook_scope::check_event_name(name)?;
        if self.session.planning {
            let step = PlanStep::Effect { task: self.task.clone(), what: format!("event `{name}`") };
            self.session.ledger().steps.push(step);
            return Ok(());
        }
        let payload = serde_json::json!({ "name": name, "data": payload });
        self.session.emit(EventType::Custom, Severity::Info, Some(&self.task), None, name, payload);
        Ok(())
    }

    fn task_outputs(&self, task: &str) -> Option<Map> {
        self.session.ledger().task_outputs.get(task).cloned()
    }

    fn stack(&self) -> Option<Stack> {
        Some(self.session.stack())
    }
    fn stack_name(&self) -> String {
        self.session.stack().name
    }

    fn output_set(&self, output: Output) -> Result<(), CallError> {
        self.session.gate()?;
        let changed = {
            let mut ledger = self.session.ledger();
            let changed = ledger.outputs.get(&output.name) != Some(&output);
            ledger.outputs_set.insert(output.name.clone());
            if changed {
                ledger.outputs.insert(output.name.clone(), output.clone());
                if !self.session.planning {
                    ledger.output_rows.insert(output.name.clone(), Some(output.clone()));
                }
            }
            changed
        };
        if changed && !self.session.planning {
            let shown = if output.sensitive { Value::from("(sensitive)") } else { output.value };
            let payload = serde_json::json!({ "name": output.name, "value": shown });
            let message = format!("output `{}` changed", output.name);
            self.session.emit(
                EventType::OutputChanged,
                Severity::Info,
                Some(&self.task),
                None,
                &message,
                payload,
            );
        }
        Ok(())
    }
    fn output_get(&self, name: &str) -> Result<Option<Output>, CallError> {
        Ok(self.session.ledger().outputs.get(name).cloned())
    }
    fn output_of(&self, stack: &str, name: &str) -> Result<Option<Output>, CallError> {
        self.session.upstream_output(stack, name)
    }
    fn depends_on(&self, stack: &str) -> Result<(), CallError> {
        self.session.upstream_declared(stack)
    }

    fn recorded(&self, kind: &str, name: &str) -> Result<Option<Recorded>, CallError> {
        let address = self.address(None, kind, name);
        Ok(self.session.known(&address)?.map(|r| (*r).clone()))
    }
    fn recorded_all(&self) -> Result<Vec<Recorded>, CallError> {
        let mut all = self.session.ledger().records.all().map_err(|e| store_failed(&e))?;
        all.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(all)
    }

    fn register(&self, entry: Registration) -> Result<(Registered, Arc<Recorded>), CallError> {
        let session = &self.session;
        session.gate()?;
        let address = self.address(None, &entry.kind, &entry.name);
        crate::by_hand::can_be_typed(&address).map_err(CallError::Refused)?;
        let known = session.known(&address)?;
        let mut options = entry.options;
        options.depends_on = entry.dependencies;
        let desired = Desired {
            address: address.clone(),
            module: entry.module,
            operation: REGISTERED.to_owned(),
            spec: entry.properties,
            blobs: Vec::new(),
            options,
            span: None,
        };
        let now = session.ctx.clock.now();
        let booked = crate::by_hand::book(&desired, known.as_ref(), entry.applied, &self.task, now);
        let booked = booked.map_err(CallError::Refused)?;
        session.declare_once(&desired)?;
        let (verdict, change, recorded) = match (booked, known.as_ref()) {
            (Some((verdict, change, recorded)), _) => (verdict, change, Arc::new(recorded)),
            (None, Some(known)) => {
                session.ledger().count(&self.task, |c| c.unchanged += 1);
                return Ok((Registered::Unchanged, Arc::clone(known)));
            }
            (None, None) => return Err(CallError::Refused(format!("{address} was not registered"))),
        };
        if let Some(guard) = &session.guard {
            guard.admit_registered(&address, &desired.spec)?;
        }
        session.book_registered(&self.task, change, &recorded, known);
        session.relieve()?;
        Ok((verdict, recorded))
    }

    fn registered_condition(
        &self,
        kind: &str,
        name: &str,
        condition: Condition,
        error: Option<String>,
    ) -> Result<(), CallError> {
        let address = self.address(None, kind, name);
        let mut ledger = self.session.ledger();
        let known = ledger.records.get(&address).map_err(|e| store_failed(&e))?;
        let Some(mut recorded) = known.filter(|r| r.is_registered()).map(|r| (*r).clone()) else {
            return Err(CallError::Refused(format!("{address} is not registered in this stack")));
        };
        if recorded.condition != condition || recorded.error != error {
            recorded.condition = condition;
            recorded.error = error;
            recorded.updated_at = self.session.ctx.clock.now();
            ledger.put(&recorded);
        }
        Ok(())
    }

    fn forget(&self, kind: &str, name: &str) -> Result<bool, CallError> {
        self.session.gate()?;
        let address = self.address(None, kind, name);
        let mut ledger = self.session.ledger();
        let known = ledger.records.contains(&address);
        if known {
            ledger.remove(&address);
            ledger.count(&self.task, |c| c.recorded += 1);
        }
        Ok(known)
    }

    fn workflow_begin(&self, name: &str, metadata: Map) -> Result<String, CallError> {
        crate::handwritten::begin(self, name, metadata)
    }
    fn workflow_step(&self, id: &str, step: WorkflowStep) -> Result<bool, CallError> {
        crate::handwritten::step(self, id, step)
    }

    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, CallError> {
        values::predicted_get(&self.session, scope, key)
    }
    fn value_list(&self, scope: &str, prefix: &str) -> Result<Vec<ValueEntry>, CallError> {
        values::predicted_list(&self.session, scope, prefix)
    }
    fn value_change(
        &self,
        scope: &str,
        key: &str,
        change: ValueChange,
    ) -> Result<Option<ValueEntry>, CallError> {
        self.session.gate()?;
        values::change(&self.session, &self.task, scope, key, change)
    }
    fn value_lock(&self, name: &str, holder: &str, seconds: f64) -> Result<bool, CallError> {
        self.session.gate()?;
        values::lock(&self.session, name, holder, seconds)
    }
    fn value_unlock(&self, name: &str, holder: &str) -> Result<bool, CallError> {
        values::unlock(&self.session, name, holder)
    }
}

fn properties_of(spec: &Value) -> &Value {
    spec.get("properties").unwrap_or(&Value::Null)
}

/// Live against wished properties; only what the wish names is compared.
fn custom_diff(properties: &Value, live: Option<&Value>) -> Diff {
    let mut diff = Diff::none();
    let Some(live) = live else {
        diff.push(AttributeDiff {
            name: PRESENCE.to_owned(),
            from: None,
            to: Some(Value::Bool(true)),
            text: None,
            replaces: false,
            secret: false,
        });
        return diff;
    };
    if let Value::Object(wished) = properties {
        for (name, want) in wished {
            diff.compare(name, live.get(name).cloned(), Some(want.clone()));
        }
    }
    diff
}

impl Session {
    /// A custom resource whose probe and effects are functions of the program.
    fn bring_custom(
        &self,
        task: &str,
        desired: Desired,
        properties_of: &dyn Fn(&Value) -> &Value,
        functions: &mut dyn CustomFunctions,
    ) -> Result<Outcome, CallError> {
        self.gate()?;
        self.declare_once(&desired)?;
        let address = desired.address.clone();
        let wrap = |why: String| CallError::Apply {
            address: address.to_string(),
            error: ApplyError::failed("custom resource", why),
        };
        let recorded = self.known(&address)?;
        let live = functions.probe().map_err(|why| wrap(format!("probe failed: {why}")))?;
        let properties = properties_of(&desired.spec).clone();
        let since = recorded.as_ref().and_then(|r| r.state.as_ref()).map_or_else(Diff::none, |state| {
            let kept: Map = match (&properties, state) {
                (Value::Object(wished), Value::Object(state)) => {
                    wished.keys().filter_map(|k| state.get(k).map(|v| (k.clone(), v.clone()))).collect()
                }
                _ => Map::new(),
            };
            custom_diff(&Value::Object(kept), live.as_ref())
        });
        let seen = Seen { state: live.clone(), diff: custom_diff(&properties, live.as_ref()), since };
        let change =
            decide(Facts { desired: Some(&desired), recorded: recorded.as_deref(), seen: Ok(&seen) });
        if change.action == Action::Noop {
            self.ledger().count(task, |c| c.unchanged += 1);
            return Ok(Outcome { address, change, state: live, notes: Vec::new() });
        }
        if let Some(guard) = &self.guard {
            guard.admit_registered(&address, &desired.spec)?;
        }
        self.ctx.sink.signal(&Signal::Decided { task, address: &address, change: &change });
        self.plan_step(task, &desired, &change, &seen, recorded.as_deref());
        let mut state = live.clone();
        let mut open = None;
        if change.action.touches() && self.planning {
            let mut predicted = live.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
            predicted.extend(properties.as_object().cloned().unwrap_or_default());
            state = Some(Value::Object(predicted));
        } else if change.action.touches() {
            let seq = self.begin_step(
                task,
                Subject::Resource {
                    address: address.clone(),
                    module: desired.module.clone(),
                    operation: desired.operation.clone(),
                    spec: Some(desired.spec.clone()),
                    before: live.clone(),
                    options: desired.options.clone(),
                },
                &[],
            )?;
            let applied = functions.apply(live.as_ref()).and_then(|()| functions.probe()).and_then(|after| {
                let left = custom_diff(&properties, after.as_ref());
                if left.is_empty() {
                    Ok(after)
                } else {
                    Err(format!("apply ran, but the probe still differs in {}", left.names().join(", ")))
                }
            });
            match applied {
                Ok(after) => {
                    self.end_step(seq, after.as_ref())?;
                    open = Some(seq);
                    state = after;
                }
                Err(why) => {
                    self.fail_step(seq, &why)?;
                    self.note_failure(task, &address, &change, &why);
                    return Err(wrap(why));
                }
            }
        }
        let now = self.ctx.clock.now();
        let template =
            Recorded::applied(&desired, state.clone(), live.as_ref(), recorded.as_deref(), task, now);
        let outcome = Outcome {
            address: address.clone(),
            change: change.clone(),
            state: state.clone(),
            notes: Vec::new(),
        };
        self.book(
            Work {
                task,
                address,
                module: desired.module,
                operation: desired.operation,
                change,
                spec: Some(desired.spec),
                blobs: Vec::new(),
                live,
                options: desired.options,
                leave: Leave::Record(Box::new(template)),
            },
            state,
        );
        self.booked(open);
        Ok(outcome)
    }
}
