//! `doctor`

use serde::Serialize;
use sloth_core::store::CheckFinding;
use sloth_core::value::Value;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::{Human, Page, escape, words};

/// Check the database and this installation
///
/// Reads only. Ends with exit code 1 when something makes the record untrustworthy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner doctor\n  sloth-runner doctor --deep -o json")]
pub struct Args {
    /// Read every stored content, too
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Serialize)]
struct DoctorView {
    database: String,
    facts: Value,
    findings: Vec<CheckFinding>,
    sound: bool,
}

impl Human for DoctorView {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Database: {}", self.database));
        if let Value::Object(facts) = &self.facts {
            let fields: Vec<(&str, String)> =
                facts.iter().map(|(k, v)| (k.as_str(), words::value(v))).collect();
            page.fields(2, &fields);
        }
        page.gap();
        for finding in &self.findings {
            let word = if finding.severe { page.theme.bad("problem") } else { page.theme.warning("note") };
            page.raw(&format!("{word} {}: {}", escape::line(&finding.code), escape::line(&finding.what)));
            if !finding.mend.is_empty() {
                page.line(&format!("  mend: {}", finding.mend));
            }
        }
        let severe = self.findings.iter().filter(|f| f.severe).count() as u64;
        page.line(&format!("{} found", words::count(severe, "problem")));
    }
}

/// Runs it.
///
/// # Errors
/// The database cannot be read at all.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let Some(store) = app.existing()? else {
        let note = CheckFinding {
            code: "no-database".to_owned(),
            severe: false,
            what: "there is no database yet".to_owned(),
            mend: "nothing has to be done: the first change makes it".to_owned(),
        };
        let facts = Value::Object(serde_json::Map::new());
        let database = app.location()?.to_string();
        app.out.show(&DoctorView { database, facts, findings: vec![note], sound: true });
        return Ok(Exit::Ok);
    };
    let findings = store.check(args.deep)?;
    let sound = !findings.iter().any(|f| f.severe);
    app.out.show(&DoctorView { database: store.location(), facts: store.facts()?, findings, sound });
    Ok(if sound { Exit::Ok } else { Exit::Failed })
}
