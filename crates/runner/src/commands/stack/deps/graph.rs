//! `stack deps graph`

use std::path::Path;

use clap::ValueEnum;

use super::load;
use crate::app::App;
use crate::cli::Output;
use crate::draw::{self, Drawing};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::Format;
use crate::views::deps::GraphView;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Picture {
    /// Text for the terminal
    Tree,
    /// For wikis and code forges
    #[value(alias = "mmd")]
    Mermaid,
    /// For Graphviz
    #[value(alias = "gv")]
    Dot,
    /// A picture that scales
    Svg,
    /// A picture of points
    Png,
}

/// Draw what depends on what
///
/// A stack that depends on others, or that others depend on, is drawn with those; any other one by its resources. Arrows lead to what is needed. The program draws by itself and needs no other. With `-o json` or `-o yaml` it writes
/// the nodes and edges instead. A PNG shows letters outside ASCII as boxes; all other formats keep them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack deps graph production\n  sloth-runner stack deps graph production --resources --format mermaid\n  sloth-runner stack deps graph production --output production.svg"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Draw stacks
    #[arg(long, conflicts_with = "resources")]
    stacks: bool,
    /// Draw the resources of the stack
    #[arg(long)]
    resources: bool,
    /// How it is drawn [default: as the name of the file ends, else tree]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Picture>,
    /// File to write the picture to, replaced in one step; or `json` or `yaml` for nodes and edges
    #[arg(
        short,
        long,
        value_name = "FILE|FORMAT",
        value_parser = Output::file_or_format,
        default_value = "table",
        hide_default_value = true
    )]
    output: Output,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, it is not clear how to draw, the file cannot be written, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let file = match &args.output {
        Output::File(path) => Some(path.as_path()),
        Output::As(format) if *format != Format::Table && args.format.is_some() => {
            return Err(CommandError::usage(
                "`--format` and `-o` both say what is written to standard output",
            )
            .hint("name a file for the picture: `--output FILE`"));
        }
        Output::As(_) => None,
    };
    let picture = match (args.format, file) {
        (Some(picture), _) => picture,
        (None, Some(path)) => by_name(path)?,
        (None, None) => Picture::Tree,
    };
    let deps = load(app, &args.stack, args.at.as_deref())?;
    let place = deps.all.find(&deps.stack.name);
    let related =
        |at: &usize| !(deps.all.graph.needs(*at).is_empty() && deps.all.graph.needed_by(*at).is_empty());
    let drawing = match place.filter(|at| !args.resources && (args.stacks || related(at))) {
        Some(at) => Drawing::of_stacks(&deps.all, at),
        None => Drawing::new(&deps),
    };
    let drawn = match picture {
        Picture::Png if file.is_none() && app.out.is_terminal() => {
            return Err(CommandError::usage("a PNG is not for a terminal; nothing was written")
                .hint("name a file for it: `--output FILE`"));
        }
        Picture::Tree if file.is_none() => {
            app.out.show(&GraphView::new(&deps.stack, &drawing));
            return Ok(Exit::Ok);
        }
        Picture::Tree => draw::tree::draw(&drawing).into_bytes(),
        Picture::Mermaid => draw::mermaid::draw(&drawing).into_bytes(),
        Picture::Dot => draw::dot::draw(&drawing).into_bytes(),
        Picture::Svg => draw::svg::draw(&draw::layout::place(&drawing)).into_bytes(),
        Picture::Png => draw::png::draw(&draw::layout::place(&drawing)).map_err(unpaintable)?,
    };
    match file {
        None => app.out.bytes(&drawn),
        Some(path) => {
            files::write_shared(path, &drawn).map_err(|e| {
                let says = format!("could not write the picture to `{}`", path.display());
                CommandError::new(Exit::Failed, says).system(&e)
            })?;
            app.out.talk(&format!("drawn as `{}`", path.display()));
        }
    }
    Ok(Exit::Ok)
}

fn unpaintable(why: draw::png::Unpaintable) -> CommandError {
    match why {
        draw::png::Unpaintable::TooLarge => CommandError::new(
            Exit::Failed,
            "the PNG would have more than 64 million points; nothing was written",
        )
        .hint("draw it as SVG, which scales: `--format svg`"),
        draw::png::Unpaintable::Encoder(why) => {
            CommandError::new(Exit::Failed, "could not encode the PNG; nothing was written").cause(why)
        }
    }
}

fn by_name(path: &Path) -> Result<Picture, CommandError> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let known = match ending.as_str() {
        "txt" => Some(Picture::Tree),
        other => Picture::from_str(other, true).ok(),
    };
    known.ok_or_else(|| {
        let says = format!("it is not clear from its name how to draw `{}`", path.display());
        CommandError::usage(says).hint("say it with `--format`")
    })
}
