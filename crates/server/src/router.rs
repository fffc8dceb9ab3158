//! The list of protocols, and the dispatch of a request to one of them.

use std::sync::LazyLock;

use axum::{body::Body, http::request::Parts, response::Response};

use crate::{
    account,
    amazon::Amazon,
    download_urls::DownloadUrls,
    graph::Graph,
    live::{self, Live, bits::Bits, pictures::Pictures, sharing::SharingLinks},
    protocol::{Declaration, Protocol, RequestContext, Routed},
    secret_urls::SecretUrl,
    sign_in::{
        entra::Entra, login_with_amazon::LoginWithAmazon, microsoft_account::MicrosoftAccount,
    },
    state::ServerState,
    tree::Node,
};

macro_rules! protocols {
    ($($name:ident),* $(,)?) => {
        /// A parsed request with its protocol. It exists once per request and is never stored, so
        /// boxing the largest variant would cost an allocation and save nothing.
        #[allow(clippy::large_enum_variant, reason = "moved once, from the router to the handler")]
        pub(crate) enum Handler {
            $($name(<$name as Protocol>::Request)),*
        }

        static DECLARATIONS: &[Declaration] = &[$($name::DECLARATION),*];

        /// Parses a request with the first protocol that serves its path; `None` if none does.
        pub(crate) fn route(state: &ServerState, parts: &Parts) -> Option<Routed<Handler>> {
            $(
                if let Some(routed) = $name::route(state, parts) {
                    return Some(routed.map(Handler::$name));
                }
            )*
            None
        }

        impl Handler {
            /// Returns the declaration of the request's protocol.
            pub(crate) fn declaration(&self) -> &'static Declaration {
                match self {
                    $(Self::$name(_) => const { &$name::DECLARATION }),*
                }
            }

            /// Serves the request.
            pub(crate) async fn handle(
                self,
                context: RequestContext,
                parts: Parts,
                body: Body,
            ) -> Response {
                match self {
                    $(Self::$name(request) => $name::handle(request, context, parts, body).await),*
                }
            }
        }
    };
}

protocols! {
    Live,
    Bits,
    Pictures,
    SharingLinks,
    Graph,
    Amazon,
    DownloadUrls,
    MicrosoftAccount,
    LoginWithAmazon,
    Entra,
}

/// Returns the names of all operations.
pub(crate) fn operations() -> Vec<&'static str> {
    DECLARATIONS.iter().flat_map(|protocol| (protocol.operations)()).copied().collect()
}

/// All positions of secrets in URLs: those that every protocol has and those of each one.
pub(crate) static SECRET_URLS: LazyLock<Vec<SecretUrl>> = LazyLock::new(|| {
    let of_protocols = DECLARATIONS.iter().flat_map(|protocol| protocol.secret_urls);
    account::SECRET_URLS.iter().chain(of_protocols).copied().collect()
});

/// Returns the id of an item in Live Connect, which the control API reports. `cid`: the id of the
/// item's account, 16 lower-case hexadecimal digits.
pub(crate) fn live_item_id(cid: &str, node: &Node) -> String {
    live::id_of(cid, node)
}
