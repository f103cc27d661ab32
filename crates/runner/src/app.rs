//! What commands share: the way to print, the configuration, and the store, each opened when it is first needed.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use sloth_api::HostCourier;
use sloth_api::git;
use sloth_core::actor::{Actor, GitState};
use sloth_core::address::HostName;
use sloth_core::id::LockId;
use sloth_core::machine::Machine;
use sloth_core::sink::{Deaf, EventSink};
use sloth_core::stack::Stack;
use sloth_core::store::{StackMatch, Store, View};
use sloth_core::version::Version;
use sloth_core::workflow::Durability;
use sloth_engine::outbox::{self, Delivered};
use sloth_engine::{Context, EngineError, Stop, stacks};
use sloth_store::{BadLocation, Location, OpenOptions, Secret, ServerAddress};

use crate::cli::Globals;
use crate::clock::SystemClock;
use crate::commands::stack::snapshot::version_of;
use crate::config::{self, Config, Origin};
use crate::error::CommandError;
use crate::files::Flush;
use crate::out::Out;
use crate::{env, files, person};

/// What commands share.
pub struct App {
    /// The only way to print.
    pub out: Out,
    /// Flags every command has.
    pub globals: Globals,
    /// How hard managed files are pushed to the disk.
    pub durability: Cell<Durability>,
    arguments: Vec<String>,
    config: OnceCell<Config>,
    store: OnceCell<Arc<dyn Store>>,
    nothing: OnceCell<Arc<dyn Store>>,
    about: RefCell<Option<String>>,
    repository: RefCell<Repository>,
}

/// The repository of the workflow file.
enum Repository {
    Unknown,
    Looking(JoinHandle<Option<GitState>>),
    Known(GitState),
}

impl App {
    /// Opens nothing yet. `arguments` go to the operation log.
    pub fn new(globals: Globals, arguments: Vec<String>) -> Self {
        let out = Out::new(
            globals.output.format(),
            globals.quiet,
            globals.verbose > 0 || globals.debug,
            globals.no_color,
        );
        Self {
            out,
            globals,
            durability: Cell::default(),
            arguments,
            config: OnceCell::new(),
            store: OnceCell::new(),
            nothing: OnceCell::new(),
            about: RefCell::new(None),
            repository: RefCell::new(Repository::Unknown),
        }
    }

    /// The command line as it goes to the operation log.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The configuration.
    ///
    /// # Errors
    /// It cannot be read or is not valid.
    pub fn config(&self) -> Result<&Config, CommandError> {
        if self.config.get().is_none() {
            let _ = self.config.set(Config::load(self.globals.config.as_deref())?);
        }
        self.config.get().ok_or_else(|| CommandError::usage("the configuration is not there"))
    }

    /// Where the database is: flag, variable, configuration, data directory; and which of them said so.
    ///
    /// # Errors
    /// The configuration is not valid, or there is no home directory to fall back to.
    pub fn database(&self) -> Result<(String, Origin), CommandError> {
        if let Some(named) = &self.globals.db {
            return Ok((named.clone(), Origin::Flag("--db")));
        }
        if let Some(named) = env::text(env::DB) {
            return Ok((named, Origin::Variable(env::DB.name)));
        }
        if let Some(named) = &self.config()?.database_path {
            return Ok((named.clone(), self.config()?.origin("stacks.database_path")));
        }
        let dir = config::data_dir().ok_or_else(|| {
            CommandError::usage("there is no home directory, so it is not clear where the database is")
                .hint("name it with `--db PATH` or `SLOTH_RUNNER_DB`")
        })?;
        let origin = match env::path(env::DATA_DIR) {
            Some(_) => Origin::Variable(env::DATA_DIR.name),
            None => Origin::Default,
        };
        Ok((dir.join("stacks.db").to_string_lossy().into_owned(), origin))
    }

    /// Where the database is, understood.
    ///
    /// # Errors
    /// Those of [`App::database`], or it names none that could be opened.
    pub fn location(&self) -> Result<Location, CommandError> {
        Self::location_of(&self.database()?.0)
    }

    /// The place that somebody typed, with what its URL leaves open.
    ///
    /// # Errors
    /// It is none.
    pub fn location_of(text: &str) -> Result<Location, CommandError> {
        let parsed = text.parse();
        let mut location: Location = parsed.map_err(|e: BadLocation| CommandError::usage(e.to_string()))?;
        if let Some(server) = location.server_mut() {
            complete(server);
        }
        Ok(location)
    }

    /// The store, opened once.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn store(&self) -> Result<&Arc<dyn Store>, CommandError> {
        if self.store.get().is_none() {
            let location = self.location()?;
            let options = OpenOptions { clock: Arc::new(SystemClock), read_only: false, create: true };
            let _ = self.store.set(Arc::from(sloth_store::open(&location, &options)?));
        }
        self.store.get().ok_or_else(|| CommandError::usage("the database is not open"))
    }

    /// The store if there is one; none is made.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn existing(&self) -> Result<Option<&Arc<dyn Store>>, CommandError> {
        if self.store.get().is_none() {
            let options = OpenOptions { clock: Arc::new(SystemClock), read_only: false, create: true };
            if let Some(store) = sloth_store::open_existing(&self.location()?, &options)? {
                let _ = self.store.set(Arc::from(store));
            }
        }
        Ok(self.store.get())
    }

    /// The store for looking only: where there is no database yet, one with nothing in it, and none is made.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn reading(&self) -> Result<&Arc<dyn Store>, CommandError> {
        if let (None, Some(nothing)) = (self.store.get(), self.nothing.get()) {
            return Ok(nothing);
        }
        if let Some(store) = self.existing()? {
            return Ok(store);
        }
        let location = self.location()?;
        if self.out.verbose {
            self.out.talk(&format!("there is no database at `{location}` yet; the first change makes it"));
        }
        let empty = sloth_store::SqliteStore::empty(&location, Arc::new(SystemClock))?;
        Ok(self.nothing.get_or_init(|| Arc::new(empty)))
    }

    /// A consistent picture of now.
    ///
    /// # Errors
    /// The store failed.
    pub fn view(&self) -> Result<Box<dyn View + '_>, CommandError> {
        Ok(self.reading()?.view()?)
    }

    /// Finds a stack and remembers that the command is about it.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn stack(&self, view: &dyn View, text: &str) -> Result<Stack, CommandError> {
        let stack = stacks::find(view, text)?;
        self.about(&stack.name);
        Ok(stack)
    }

    /// Finds a stack that may be named together with a version, as in `web-v5`, `web@5` or `web@release`.
    ///
    /// # Errors
    /// There is no such stack or version.
    pub fn stack_at(&self, view: &dyn View, text: &str) -> Result<(Stack, Option<Version>), CommandError> {
        let missing = match stacks::find(view, text) {
            Err(error @ EngineError::NoSuchStack { .. }) => error,
            found => {
                let stack = found?;
                self.about(&stack.name);
                return Ok((stack, None));
            }
        };
        let name = match Version::parse(text) {
            Some((name, _)) => name,
            None => text.rsplit_once('@').map(|(name, _)| name),
        };
        let Some(stack) = name.and_then(|name| stacks::find(view, name).ok()) else {
            return Err(missing.into());
        };
        self.about(&stack.name);
        // What was typed before the version may be an id.
        let version = text.get(name.map_or(0, str::len)..).unwrap_or_default();
        let version = version.strip_prefix("-v").or_else(|| version.strip_prefix('@')).unwrap_or(version);
        let version = version_of(view, &stack, version)?;
        Ok((stack, Some(version)))
    }

    /// Remembers which stack the command is about, for messages.
    pub fn about(&self, name: &str) {
        *self.about.borrow_mut() = Some(name.to_owned());
    }

    /// Begins to look what the repository of a workflow file is at, for the log of what is done with it. Costs a few
    /// looks at directories where there is no repository; where there is one, `git` works while the file is loaded.
    pub fn follow(&self, file: &Path) {
        if git::repository(file).is_some() {
            let file = file.to_owned();
            let looking = std::thread::spawn(move || git::state(&file));
            *self.repository.borrow_mut() = Repository::Looking(looking);
        }
    }

    /// What [`App::follow`] found out.
    fn git(&self) -> Option<GitState> {
        let mut repository = self.repository.borrow_mut();
        let found = match std::mem::replace(&mut *repository, Repository::Unknown) {
            Repository::Unknown => None,
            Repository::Looking(looking) => looking.join().ok().flatten(),
            Repository::Known(state) => Some(state),
        };
        *repository = found.clone().map_or(Repository::Unknown, Repository::Known);
        found
    }

    /// The stack the command is about.
    pub fn subject(&self) -> Option<String> {
        self.about.borrow().clone()
    }

    /// What verbs need, for a stack that may not exist yet, with nobody listening and nobody interrupting.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn context(&self, stack: Option<&str>) -> Result<Context, CommandError> {
        self.context_with(stack, Arc::new(Deaf), Stop::new())
    }

    /// What verbs need, with a listener and a switch.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn context_with(
        &self,
        stack: Option<&str>,
        sink: Arc<dyn EventSink>,
        stop: Stop,
    ) -> Result<Context, CommandError> {
        // A configuration that is not valid makes no database.
        self.config()?;
        self.context_on(self.store()?, stack, sink, stop)
    }

    /// What verbs need that only look: where there is no database yet, none is made.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn context_to_look(
        &self,
        stack: Option<&str>,
        sink: Arc<dyn EventSink>,
    ) -> Result<Context, CommandError> {
        self.context_on(self.reading()?, stack, sink, Stop::new())
    }

    fn context_on(
        &self,
        store: &Arc<dyn Store>,
        stack: Option<&str>,
        sink: Arc<dyn EventSink>,
        stop: Stop,
    ) -> Result<Context, CommandError> {
        let config = self.config()?;
        let store = Arc::clone(store);
        if let Some(name) = stack {
            self.about(name);
        }
        let presents = self.presents(&*store, stack)?;
        let actor = Actor { git: self.git(), ..person::actor(self.globals.as_name.as_deref()) };
        Ok(Context {
            machines: self.machines(),
            sink,
            arguments: self.arguments.clone(),
            stop,
            lock_wait: self.globals.lock_wait.unwrap_or_default(),
            most_runs: config.max_concurrent_executions,
            presents,
            lease_ttl: config.lease_ttl,
            retention: config.snapshot_retention,
            durability: self.durability.get(),
            ..Context::new(store, Arc::new(SystemClock), actor)
        })
    }

    /// Tells hooks about the events of this command, and about what earlier ones left. Costs nothing when this command
    /// caused no events that somebody waits for. Whatever becomes of it changes nothing about the command.
    pub fn tell_hooks(&self) {
        let Some(store) = self.store.get() else { return };
        // What a hook runs leaves hooks to whoever told the hook, and who was interrupted wants to end.
        if !store.hooks_stirred() || env::get(env::HOOK).is_some() || crate::signals::caught().is_some() {
            return;
        }
        if let Err(error) = self.deliver() {
            let words = error.render(None).sentence();
            self.out.warn(&format!(
                "hooks could not be told; the next command that changes something does it: {words}"
            ));
        }
    }

    /// Delivers what is due now, and says what failed.
    ///
    /// # Errors
    /// The store failed.
    pub fn deliver(&self) -> Result<Delivered, CommandError> {
        let ctx = self.context_with(None, Arc::new(Deaf), crate::signals::watch())?;
        let done = outbox::deliver(&ctx, &HostCourier::new(&ctx), self.config()?.hooks)?;
        done.failures.values().for_each(|failure| self.out.warn(failure));
        Ok(done)
    }

    /// Nothing more is to be done. Files and memory are left to the system, which is quicker than giving back each.
    pub fn end(mut self) {
        drop(self.nothing.take());
        if let Some(store) = self.store.get() {
            store.rest();
        }
        std::mem::forget(self);
    }

    /// Hosts that can be reached.
    pub fn machines(&self) -> BTreeMap<HostName, Arc<dyn Machine>> {
        sloth_api::this_host(self.durability.get())
    }

    /// The id of a person's lock the caller owns: flag, variable, or the file left by `stack lock acquire`.
    fn presents(&self, store: &dyn Store, stack: Option<&str>) -> Result<Option<LockId>, CommandError> {
        if let Some(id) = self.globals.lock_id.clone().or_else(|| env::text(env::LOCK_ID)) {
            return Ok(Some(LockId::from_stored(id)));
        }
        let Some(dir) = self.locks_dir() else { return Ok(None) };
        let (Some(name), true) = (stack, dir.is_dir()) else { return Ok(None) };
        let StackMatch::One(stack) = store.view()?.stack_find(name)? else { return Ok(None) };
        Ok(self.kept_lock(&stack))
    }

    fn locks_dir(&self) -> Option<PathBuf> {
        config::data_dir().map(|dir| dir.join("locks"))
    }

    fn lock_file(&self, stack: &Stack) -> Option<PathBuf> {
        self.locks_dir().map(|dir| dir.join(stack.id.as_str()))
    }

    /// The id of the lock this user took on a stack.
    pub fn kept_lock(&self, stack: &Stack) -> Option<LockId> {
        let text = std::fs::read_to_string(self.lock_file(stack)?).ok()?;
        // A power cut can leave the file empty.
        Some(text.trim()).filter(|id| !id.is_empty()).map(LockId::from_stored)
    }

    /// Keeps the id of a lock for the commands that follow.
    ///
    /// # Errors
    /// There is no place for it, or it cannot be written.
    pub fn keep_lock(&self, stack: &Stack, id: &LockId) -> std::io::Result<()> {
        let path = self.lock_file(stack).ok_or(std::io::ErrorKind::NotFound)?;
        files::write_private(&path, format!("{id}\n").as_bytes(), Flush::Later)
    }

    /// Forgets the id of a lock.
    pub fn forget_lock(&self, stack: &Stack) {
        if let Some(path) = self.lock_file(stack) {
            let _ = files::remove(&path);
        }
    }
}

/// Completes what the URL of a server leaves open with what this host knows: the user, the password, and where it is noted
/// what was acknowledged.
fn complete(server: &mut ServerAddress) {
    let user =
        server.user.take().or_else(|| env::text(env::PG_USER)).unwrap_or_else(|| person::actor(None).name);
    if server.password.is_none() {
        server.password = env::text(env::PG_PASSWORD).map(Secret::new).or_else(|| {
            let file = env::path(env::PG_PASSFILE).or_else(|| Some(env::path(env::HOME)?.join(".pgpass")))?;
            // A file that others can read keeps no secret, and is not used by anybody.
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).ok()?.permissions());
            let text = (mode & 0o077 == 0).then(|| std::fs::read_to_string(&file).ok()).flatten()?;
            server.password_in(&text, &user)
        });
    }
    server.user = Some(user);
    server.marks = config::data_dir().map(|dir| dir.join("marks"));
}
