//! The ways to sign in: a browser on this machine, a browser on another device, a copied URL, and
//! the application's own credentials.

use std::env;

use drivedal::{
    adapter::DriveHandle,
    auth::{
        Tokens,
        flows::{AuthorizationCodeFlow, ClientCredentialsFlow, DeviceCodeFlow, PendingSignIn},
    },
    drive::{Context, Secret},
};

use super::{FlowArgs, not_for, settings::SignInSettings};
use crate::{app::App, failure::Result, location::Location, prompt, skydrive::failed};

/// The way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignInFlow {
    /// A browser, on this machine unless `paste` is set.
    Browser { open: bool, paste: bool },
    /// A code to enter in any browser.
    Device,
    /// The application's own credentials.
    AppOnly,
}

/// Signs in, and returns the tokens.
///
/// # Errors
/// `Usage` if an option is missing or the service rejects one, `Unsupported` if the cloud does not
/// have the flow, `Denied` if the user or the cloud denies access, `TryLater` if the sign-in is not
/// available, and the other failures of a request.
pub(super) async fn run(app: &App, settings: &SignInSettings, args: &FlowArgs) -> Result<Tokens> {
    let provider = settings.provider()?;
    let client_id = settings.client_id()?;
    let secret = settings.client_secret()?;
    let cx = context(app, settings)?;
    let at = Location { remote: settings.name.clone(), text: String::new() };
    let failed = |error| failed(error, &at);
    match SignInFlow::choose(settings, args, provider.has_device_code())? {
        SignInFlow::AppOnly => {
            let flow = ClientCredentialsFlow::new(provider, client_id);
            let flow = match (settings.certificate()?, secret) {
                (Some(certificate), _) => flow.client_certificate(certificate),
                (None, Some(secret)) => flow.client_secret(secret),
                (None, None) => flow,
            };
            flow.finish(&cx).await.map_err(failed)
        }
        SignInFlow::Device => {
            let flow = DeviceCodeFlow::new(provider, client_id);
            let flow = match secret {
                Some(secret) => flow.client_secret(secret),
                None => flow,
            };
            let pending = flow.start(&cx).await.map_err(failed)?;
            let (page, code) = (pending.verification_uri(), pending.user_code());
            app.output
                .message(format_args!("Open {page} in any browser and enter the code {code}"));
            pending.finish(&cx).await.map_err(failed)
        }
        SignInFlow::Browser { open, paste } => {
            let mut flow = AuthorizationCodeFlow::new(provider, client_id);
            if let Some(secret) = secret {
                flow = flow.client_secret(secret);
            }
            let is_microsoft = settings.scheme() == "onedrive";
            let redirect_uri = settings.redirect_uri()?;
            // The other clouds redirect to a page of their own, or to a port that is not known here.
            if paste || (!is_microsoft && redirect_uri.is_none()) {
                flow = flow.without_listener();
            }
            if let Some(uri) = redirect_uri {
                flow = flow.redirect_uri(uri);
            }
            if is_microsoft {
                flow = flow.select_account();
            }
            let pending = flow.start().await.map_err(failed)?;
            in_browser(app, &cx, &pending, open).await?.map_err(failed)
        }
    }
}

impl SignInFlow {
    /// Returns the way that the options name, or the one that fits the cloud and the machine.
    ///
    /// # Errors
    /// `Unsupported` if the cloud does not have it.
    fn choose(settings: &SignInSettings, args: &FlowArgs, has_device_code: bool) -> Result<Self> {
        if args.app_only {
            return Ok(Self::AppOnly);
        }
        if args.device {
            return match has_device_code {
                true => Ok(Self::Device),
                false => Err(not_for(settings.scheme(), "device codes").hint("use --paste")),
            };
        }
        let open = !args.no_browser && has_browser();
        match args.paste || args.no_browser || open || !has_device_code {
            true => Ok(Self::Browser { open, paste: args.paste }),
            false => Ok(Self::Device),
        }
    }
}

/// Returns whether this machine can show a page: always on macOS and Windows; elsewhere if
/// `BROWSER` is set, or `DISPLAY` or `WAYLAND_DISPLAY` is set and a browser is found. `true` may be
/// wrong: that browser need not start.
fn has_browser() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(any(target_os = "macos", windows)) || is_set("BROWSER") {
        return true;
    }
    (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")) && webbrowser::Browser::is_available()
}

/// Waits until the user has signed in on the cloud's page.
///
/// # Errors
/// The outer error if standard input cannot be read, and the inner one if the sign-in fails.
async fn in_browser(
    app: &App,
    cx: &Context,
    pending: &PendingSignIn,
    open: bool,
) -> Result<drivedal::drive::Result<Tokens>> {
    let output = &app.output;
    output.message("Open this page in a browser to sign in:");
    output.message(pending.url());
    if open && let Err(error) = webbrowser::open(pending.url()) {
        output.notice(format_args!("cannot open a browser: {error}"));
    }
    if pending.is_listening() {
        return Ok(pending.finish(cx).await);
    }
    output.message(
        "After the sign-in, copy the address of the last page, even if it shows an error.",
    );
    let url = prompt::line(output, "Address: ").await?;
    Ok(pending.finish_with_redirect_url(cx, &url).await)
}

/// Returns the context for requests to the sign-in service: with the transport options of the
/// remote, and with the layers of this program.
///
/// # Errors
/// `Usage` if the service rejects an option of the remote.
fn context(app: &App, settings: &SignInSettings) -> Result<Context> {
    // No request with this token is sent.
    let source = settings.with_access_token(&Secret::from("none"));
    let remote = app.open_source(source, &settings.name)?;
    Ok(DriveHandle::context(&remote.operator))
}
