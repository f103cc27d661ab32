//! The nouns of sloth-runner and the ports through which everything else meets.
//!
//! Nothing in this crate reads a file, starts a thread, knows SQL or Lua. It answers three questions:
//!
//! * *What is there?* [`Stack`](stack::Stack), [`Version`](version::Version), [`Run`](run::Run),
//!   [`Lease`](lease::Lease), [`Event`](event::Event), [`Plan`](plan::Plan) and their relatives, one file per noun.
//! * *What is true?* Three types that are never mixed: [`Desired`](desired::Desired) (what the code asks),
//!   [`Recorded`](recorded::Recorded) (what was left behind) and [`Seen`](observed::Seen) (what is so now).
//!   [`decide`](decide::decide) turns them into one [`Change`](change::Change); no other code decides.
//! * *Who does it?* Ports: [`Machine`](machine::Machine) touches hosts, [`Store`](store::Store) remembers,
//!   [`Program`](body::Program) runs user code, [`EventSink`](sink::EventSink) listens, [`Clock`](clock::Clock) tells the time.

pub mod actor;
pub mod address;
pub mod body;
pub mod change;
pub mod clock;
pub mod command;
pub mod decide;
pub mod deps;
pub mod desired;
pub mod diff;
pub mod digest;
pub mod drift;
pub mod event;
pub mod execution;
pub mod graph;
pub mod hook;
pub mod id;
pub mod journal;
pub mod kind;
pub mod lease;
pub mod legacy;
pub mod machine;
pub mod observed;
pub mod operation;
pub mod output;
pub mod past;
pub mod plan;
pub mod recorded;
pub mod recorded_body;
pub mod retention;
pub mod run;
pub mod sink;
pub mod span;
pub mod stack;
pub mod store;
pub mod suggest;
pub mod upstream;
pub mod validation;
pub mod value;
pub mod value_entry;
pub mod version;
pub mod web;
pub mod workflow;
