//! A stack from its making to its tags: record what somebody else looks after, keep a version, notice drift, go back.
//!
//! ```sh
//! cargo run -p sloth-api --example programme -- /tmp/state.db
//! ```
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::path::Path;

use sloth_api::{DriftStatus, Error, NewStack, Sloth, json};

/// Does it all in the database at a path, and says what it did.
///
/// # Errors
/// Something was refused or failed.
pub fn programme(database: &Path) -> Result<Vec<String>, Error> {
    let mut said = Vec::new();
    let sloth = Sloth::open(database)?.acting_as("admin");

    // Make a stack and record what it consists of.
    let stack = sloth.create_stack(NewStack {
        name: "my-infrastructure".to_owned(),
        description: "Production infrastructure".to_owned(),
        version_label: "1.0.0".to_owned(),
        ..NewStack::default()
    })?;
    let web = stack.register("instance_group", "web", json!({ "instances": 3, "region": "us-east-1" }))?;

    // Keep a version to come back to.
    let first = stack.snapshot("Initial state")?;
    said.push(format!("Created snapshot version: {first}"));

    // Somebody looked, and there are fewer than there should be.
    let expected = json!({ "instances": 3, "region": "us-east-1" });
    let actual = json!({ "instances": 2, "region": "us-east-1" });
    stack.report_drift(&web, &expected, &actual)?;
    for drift in stack.drift()?.iter().filter(|d| d.status == DriftStatus::Drifted) {
        said.push(format!("Drift detected in resource {}", drift.address));
        said.push(format!("Drifted fields: {:?}", drift.diff.names()));
    }

    // Change the record, and think better of it.
    stack.register("instance_group", "web", json!({ "instances": 5, "region": "eu-west-1" }))?;
    let report = stack.restore(first)?;
    if let Some(version) = report.version {
        said.push(format!("Back at {first}, as {version}: {}", stack.resources()?[0].spec));
    }

    stack.add_tag("production")?;
    stack.add_tag("critical")?;
    said.push(format!("Tags: {:?}", stack.tags()?));
    Ok(said)
}

#[allow(dead_code, reason = "the test that carries this out calls `programme`")]
fn main() -> Result<(), Error> {
    let database = std::env::args_os().nth(1).unwrap_or_else(|| "my-infrastructure.db".into());
    for line in programme(Path::new(&database))? {
        println!("{line}");
    }
    Ok(())
}
