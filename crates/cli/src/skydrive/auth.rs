//! `drivedal skydrive auth`, `drivedal skydrive auth-refresh`

use std::io::BufRead;

use drivedal::{
    adapter::DriveHandle,
    auth::{TokenFile, flows::RedirectListener},
    drive::{Context, Secret},
    services::skydrive::{SignIn, SkyDriveConfig},
};

use super::{SkyDriveRemote, failed, not_skydrive};
use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    transfer::local::blocking,
};

/// Sign in to a SkyDrive with a browser
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command prints a URL to open in a browser. After the sign-in the browser shows an empty page; its
address is the input of the command. The remote needs the options client_id and token_file, or lcrc
(~/.lcrc of the old client), which has both.

Examples:
  drivedal skydrive auth work:
  drivedal skydrive auth work: 'https://login.live.com/oauth20_desktop.srf?code=…'
  drivedal skydrive auth --listen work:")]
pub(crate) struct Auth {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// The address of the page after the sign-in; read from standard input by default
    #[arg(value_name = "URL", conflicts_with = "listen")]
    url: Option<String>,

    /// Receive the address from the browser, at http://localhost
    ///
    /// The application must be registered with a redirect to http://localhost.
    #[arg(long)]
    listen: bool,
}

/// Replace the tokens of a SkyDrive by new ones
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive auth-refresh work:")]
pub(crate) struct AuthRefresh {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl Auth {
    /// Runs `skydrive auth`: gets an authorization code from the browser, by the given address, by
    /// input or by a local port, and stores the tokens for it in the remote's token file.
    ///
    /// # Errors
    /// * `Usage` if no remote has the name, it has no file for tokens, or the service rejects an
    ///   option.
    /// * `Unsupported` if the remote is not a SkyDrive, or if the address has no code.
    /// * `Denied` if the sign-in refuses access, `TryLater` if it is not available.
    /// * `Failed` or `Denied` if the tokens cannot be stored.
    /// * `ClosedPipe` or `Failed` if the instructions cannot be written, `Failed` if standard input
    ///   cannot be read.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let config = config(app, &self.drive).await?;
        let file = config.token_storage().ok_or_else(|| {
            let failure = Failure::usage("the remote has no file for tokens");
            failure.hint("add `token_file` or `lcrc` to its options").about(&self.drive)
        })?;
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let cx = DriveHandle::context(&remote.operator);
        let sign_in = config.sign_in()?;
        let (sign_in, code) = match (self.url, self.listen) {
            (Some(url), _) => {
                let code = sign_in.code(&url).map_err(|error| failed(error, &self.drive))?;
                (sign_in, code)
            }
            (None, false) => {
                let code = prompt_for_code(app, &sign_in, &self.drive).await?;
                (sign_in, code)
            }
            (None, true) => wait_for_redirect(app, sign_in, &self.drive).await?,
        };
        save_tokens(&cx, &sign_in, &code, file)
            .await
            .map_err(|error| failed(error, &self.drive))?;
        if !app.output.is_quiet() {
            app.output.line("API authorization was completed successfully.")?;
        }
        Ok(Exit::Done)
    }
}

impl AuthRefresh {
    /// Runs `skydrive auth-refresh`: exchanges the refresh token of a remote for new tokens and
    /// stores them.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option, `Unsupported` if it is
    /// not a SkyDrive, `Denied` if the sign-in refuses the token, `TryLater` if it is not
    /// available; `Failed` or `Denied` if the new tokens cannot be stored.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let live = SkyDriveRemote::open(app, &self.drive).await?;
        let renewed = live.client()?.renew_token(&live.cx).await;
        renewed.map_err(|error| failed(error, &self.drive))?;
        Ok(Exit::Done)
    }
}

/// Returns the options of a SkyDrive remote.
///
/// # Errors
/// `Usage` if no remote has the name or the service rejects an option, `Unsupported` if it is not a
/// SkyDrive.
async fn config(app: &App, at: &Location) -> Result<SkyDriveConfig> {
    let source = app.options(&at.remote).await.map_err(|failure| failure.about(at))?;
    source.skydrive_config()?.ok_or_else(|| {
        let scheme = source.scheme().unwrap_or_default();
        not_skydrive(&scheme).about(at)
    })
}

/// Exchanges an authorization code for tokens and stores them in a file. `sign_in` must have the
/// redirect URL that the code was requested with.
///
/// # Errors
/// `PermissionDenied` if the sign-in refuses the code or granted other scopes; the error of the
/// request or of the file if one of them fails.
async fn save_tokens(
    cx: &Context,
    sign_in: &SignIn,
    code: &Secret,
    file: TokenFile,
) -> drivedal::drive::Result<()> {
    sign_in.tokens(cx, code, true).await?.save_to(file).await
}

/// Prints the URL of the sign-in, and returns the authorization code from the address that the user
/// enters on standard input. `at` is the remote, for messages.
///
/// # Errors
/// `ClosedPipe` or `Failed` if the URL cannot be written, `Failed` if standard input cannot be
/// read; `Unsupported` if the address has no code, `Denied` if it has the sign-in's refusal.
async fn prompt_for_code(app: &App, sign_in: &SignIn, at: &Location) -> Result<Secret> {
    let output = &app.output;
    output.line(
        "Visit the following URL in any web browser, sign in there and agree; then give the",
    )?;
    output.line("address of the empty page that you end at.")?;
    output.line(format_args!("URL to visit: {}", sign_in.url(None)))?;
    output.part("URL after last redirect: ")?;
    let line = blocking(|| {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::from(&error).doing("read").about("standard input"))?;
        Ok(line)
    });
    sign_in.code(line.await?.trim()).map_err(|error| failed(error, at))
}

/// Prints the URL of the sign-in, and returns the authorization code from the redirect of the
/// browser to this program, with the sign-in for that redirect URL. `at` is the remote, for
/// messages.
///
/// # Errors
/// `Failed` if no local port is available; `ClosedPipe` or `Failed` if the URL cannot be written;
/// `Denied` if the redirect has the sign-in's refusal.
async fn wait_for_redirect(app: &App, sign_in: SignIn, at: &Location) -> Result<(SignIn, Secret)> {
    let listener = RedirectListener::bind(0, "/").await.map_err(|error| failed(error, at))?;
    let sign_in = sign_in.redirect_uri(format!("http://localhost:{}/", listener.port()));
    let state = format!("{:032x}", rand::random::<u128>());
    app.output
        .line("Visit the following URL in a web browser of this machine, sign in and agree.")?;
    app.output.line(format_args!("URL to visit: {}", sign_in.url(Some(&state))))?;
    app.output.flush()?;
    let code = listener.receive_code(&state.into()).await.map_err(|error| failed(error, at))?;
    Ok((sign_in, code))
}
