"""Why there is no secure connection, and what to type: OpenSSL names the check that failed, and not what helps."""

from __future__ import annotations

import re
import ssl

import aiohttp

PLAIN_HTTP = re.compile(r"plain http request was sent to https port|http request to an https server")
"""What servers with TLS say to a request without it."""

_TRUST = (
    "If it is your own server or your company's, export SSL_CERT_FILE='…/ca.pem', a file with the certificate of the "
    "authority that has signed it (or with its own, where it has signed itself)."
)
_CLOCK = "Renew the server's certificate, or correct this machine's clock."
_NAME = "Write the name into base_url for which the certificate was issued."

# How OpenSSL names an answer that is none of TLS; its versions differ.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")

# By the number that OpenSSL gives to the check (X509_V_ERR_…).
_HINTS = {
    9: _CLOCK, 10: _CLOCK, 18: _TRUST, 19: _TRUST, 20: _TRUST, 21: _TRUST, 62: _NAME, 64: _NAME,
}  # fmt: skip


def of_tls_error(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError) -> tuple[str, str]:
    """(why, what to type); nothing to type where the next attempt may succeed."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause: Exception = error.certificate_error
    else:
        cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = cause.verify_message.rstrip(".")
        return f"the server's certificate is not accepted ({said})", _HINTS.get(cause.verify_code, _TRUST)
    if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _NO_TLS:
        return "the server does not speak TLS on this port", "Write http:// in base_url, or the port that has TLS."
    return str(cause) or type(cause).__name__, ""
