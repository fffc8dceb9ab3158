"""Signs in to the drive server with MSAL and azure-identity, unmodified: `msal_flows.py TEST URL`.

The environment makes the server the proxy for HTTPS and its authority trusted. Each function is a
test; an assertion or exception fails it.
"""

import sys
import urllib.parse

import jwt
import msal
import requests

LOGIN = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com/v1.0"
TENANT = "contoso.onmicrosoft.com"
SCOPES = ["Files.ReadWrite", "User.Read"]
DEFAULT_SCOPE = "https://graph.microsoft.com/.default"


def get(path, token):
    response = requests.get(GRAPH + path, headers={"Authorization": f"Bearer {token}"})
    response.raise_for_status()
    return response.json()


def check(result):
    assert "access_token" in result, result
    return result["access_token"]


def check_app_token(token):
    drive = get("/me/drive", "drivedal-dev")["id"]
    assert get(f"/drives/{drive}", token)["id"] == drive


def check_user(app, result, login=LOGIN, options=None):
    """Checks the tokens of a user, the account in the cache, silent acquisition and refresh."""
    token = check(result)
    assert get("/me/drive", token)["id"]
    keys = requests.get(f"{login}/common/discovery/v2.0/keys", **(options or {})).json()["keys"]
    key = jwt.PyJWK(keys[0]).key
    claims = jwt.decode(result["id_token"], key, algorithms=["RS256"], audience="app")
    assert claims["iss"] == f"{login}/{claims['tid']}/v2.0", claims
    accounts = app.get_accounts()
    assert [account["username"] for account in accounts] == [claims["preferred_username"]], accounts
    assert accounts[0]["home_account_id"] == f"{claims['oid']}.{claims['tid']}", accounts
    silent = app.acquire_token_silent(SCOPES, account=accounts[0])
    assert check(silent) == token
    fresh = app.acquire_token_silent(SCOPES, account=accounts[0], force_refresh=True)
    assert check(fresh) != token
    assert get("/me/drive", fresh["access_token"])["id"]
    return claims


def client_credentials(_url):
    app = msal.ConfidentialClientApplication(
        "app", client_credential="secret", authority=f"{LOGIN}/{TENANT}"
    )
    token = check(app.acquire_token_for_client([DEFAULT_SCOPE]))
    check_app_token(token)
    assert check(app.acquire_token_for_client([DEFAULT_SCOPE])) == token, "not from the cache"


def client_certificate(_url):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    credential = {"private_key": key.decode(), "thumbprint": "00" * 20}
    app = msal.ConfidentialClientApplication(
        "app", client_credential=credential, authority=f"{LOGIN}/{TENANT}"
    )
    check_app_token(check(app.acquire_token_for_client([DEFAULT_SCOPE])))


def enter(flow, account, **options):
    """Enters a device code on its page, as the user does."""
    form = {"user_code": flow["user_code"], "account": account, "decision": "allow"}
    page = requests.get(flow["verification_uri"], **options)
    assert "<form method=post>" in page.text, page.text
    requests.post(flow["verification_uri"], data=form, **options).raise_for_status()


def device_code(_url):
    app = msal.PublicClientApplication("app", authority=f"{LOGIN}/common")
    flow = app.initiate_device_flow(SCOPES)
    enter(flow, "anna.business")
    claims = check_user(app, app.acquire_token_by_device_flow(flow))
    assert claims["name"] == "anna.business", claims


def code_with_pkce(_url):
    app = msal.PublicClientApplication("app", authority=f"{LOGIN}/consumers")
    for mode in ["query", "fragment"]:
        flow = app.initiate_auth_code_flow(
            SCOPES, redirect_uri="http://localhost:9", response_mode=mode
        )
        redirect = requests.get(flow["auth_uri"], allow_redirects=False).headers["Location"]
        target = urllib.parse.urlsplit(redirect)
        response = dict(urllib.parse.parse_qsl(target.fragment or target.query))
        result = app.acquire_token_by_auth_code_flow(flow, response)
        check_user(app, result)
    again = app.acquire_token_by_auth_code_flow(flow, response)
    assert again["error"] == "invalid_grant", again
    assert again["error_codes"] == [54005], again


def custom_authority(url):
    login = f"https://localhost:{urllib.parse.urlsplit(url).port}"
    app = msal.PublicClientApplication(
        "app", authority=f"{login}/consumers", instance_discovery=False
    )
    flow = app.initiate_device_flow(SCOPES)
    assert flow["verification_uri"].startswith(login), flow
    enter(flow, "")
    check_user(app, app.acquire_token_by_device_flow(flow), login)


def azure_identity(_url):
    from azure.identity import ClientSecretCredential

    credential = ClientSecretCredential(TENANT, "app", "secret")
    token = credential.get_token(DEFAULT_SCOPE)
    check_app_token(token.token)
    assert credential.get_token(DEFAULT_SCOPE).token == token.token, "not from the cache"


def main():
    test, url = sys.argv[1:]
    globals()[test](url)


if __name__ == "__main__":
    main()
