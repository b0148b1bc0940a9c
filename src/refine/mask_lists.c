/*
 * mask_lists: the union of the lists of OpenTelemetry, Elastic, Datadog, Sentry, Rails, Caddy,
 * Chromium, the HAR sanitisers and Vault. Sorted lists are searched by halves; a unit test checks
 * their order.
 */
#include "refine/mask_lists.h"

const char *const mask_header_parts[] = {
    "credential", "cookie", "token", "secret", "session", "passw", "pwd", "passphrase", "api-key",
    "apikey", "access-key", "private-key", "signature", "jwt", "saml", "csrf", "xsrf", "card",
    "credit", "cvv", "cvc", "ssn", "otp", "principal", "crypt", "salt", "certificate", NULL,
};

const char *const mask_harmless_headers[] = {
    ":authority", ":method", ":path", ":scheme", ":status", "accept", "accept-ch", "accept-charset",
    "accept-datetime", "accept-encoding", "accept-language", "accept-patch", "accept-post",
    "accept-ranges", "accept-signature", "access-control-allow-credentials",
    "access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin",
    "access-control-expose-headers", "access-control-max-age", "access-control-request-headers",
    "access-control-request-method", "age", "allow", "alt-svc", "alt-used", "authority", "b3",
    "cache-control", "cache-status", "cdn-cache-control", "cf-cache-status", "cf-ray",
    "clear-site-data", "connection", "content-digest", "content-disposition", "content-encoding",
    "content-language", "content-length", "content-location", "content-md5", "content-range",
    "content-security-policy", "content-security-policy-report-only", "content-type",
    "cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
    "date", "depth", "destination", "device-memory", "digest", "dnt", "early-data", "etag",
    "expect", "expect-ct", "expires", "forwarded", "from", "host", "http2-settings",
    "idempotency-key", "if", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "keep-alive", "last-modified", "link", "location", "max-forwards", "nel",
    "origin", "origin-agent-cluster", "permissions-policy", "pragma", "prefer",
    "preference-applied", "priority", "proxy-connection", "public-key-pins", "range", "referer",
    "referrer-policy", "refresh", "report-to", "reporting-endpoints", "repr-digest", "retry-after",
    "sec-ch-ua", "sec-ch-ua-arch", "sec-ch-ua-full-version-list", "sec-ch-ua-mobile",
    "sec-ch-ua-model", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
    "sec-fetch-user", "sec-gpc", "sec-purpose", "sec-websocket-accept", "sec-websocket-extensions",
    "sec-websocket-version", "server", "server-timing", "service-worker-allowed", "sourcemap",
    "strict-transport-security", "te", "timing-allow-origin", "traceparent", "tracestate",
    "trailer", "transfer-encoding", "upgrade", "upgrade-insecure-requests", "user-agent", "vary",
    "via", "want-digest", "warning", "x-amz-cf-id", "x-amz-cf-pop", "x-amz-id-2",
    "x-amz-request-id", "x-amz-server-side-encryption", "x-amz-version-id", "x-amzn-requestid",
    "x-amzn-trace-id", "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid",
    "x-cache", "x-cloud-trace-context", "x-content-type-options", "x-correlation-id",
    "x-dns-prefetch-control", "x-download-options", "x-envoy-attempt-count",
    "x-envoy-decorator-operation", "x-envoy-upstream-service-time", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto",
    "x-frame-options", "x-github-request-id", "x-goog-encryption-algorithm", "x-guploader-uploadid",
    "x-ms-request-id", "x-permitted-cross-domain-policies", "x-powered-by", "x-real-ip",
    "x-request-id", "x-requested-with", "x-robots-tag", "x-runtime", "x-served-by", "x-timer",
    "x-trace-id", "x-ua-compatible", "x-xss-protection",
};
const size_t mask_harmless_header_count =
    sizeof(mask_harmless_headers) / sizeof(mask_harmless_headers[0]);

const char *const mask_parameters[] = {
    "-csrf", "access-key", "access-key-id", "access-token", "actor-token", "address",
    "aiohttp-session", "api-key", "apikey", "appid", "asp.net-sessionid", "aspsessionid",
    "assertion", "auth", "auth-token", "authentication", "authenticity-token", "authorization",
    "awsaccesskeyid", "bearer", "bic", "card", "card-number", "cardnumber", "cc-number", "ccnum",
    "cfid", "cftoken", "challenge", "cid", "client-assertion", "client-secret", "code",
    "code-challenge", "code-verifier", "connect.sid", "consumer-id", "consumer-key",
    "consumer-secret", "credential", "credentials", "credit", "csrf", "csrf-token",
    "csrfmiddlewaretoken", "cvc", "cvn", "cvv", "cvv2", "device-code", "dob", "e-mail", "email",
    "expiry", "facetid", "fcparams", "googleaccessid", "hdnea", "hdnts", "hmac", "iban", "id-token",
    "id-token-hint", "invite-code", "jsessionid", "jwt", "key", "key-pair-id", "last-name",
    "license", "login-hint", "magic-link", "mfa", "mobile", "msisdn", "mysql-pwd", "nonce",
    "one-time-code", "otp", "pan", "pass", "pass-phrase", "passcode", "passphrase", "passport",
    "passw", "passwd", "passwd2", "password", "phone", "phpsessid", "pin", "pincode", "policy",
    "private-key", "pswd", "public-key", "pwd", "refresh-token", "relaystate", "remember-token",
    "reset-token", "samlrequest", "samlresponse", "sas", "se", "secret", "secret-key", "serverdata",
    "sess", "sessid", "session", "session-id", "sessionid", "sharedaccesssignature", "shdf", "sid",
    "sig", "sign", "signature", "signed", "ske", "skoid", "sks", "skt", "sktid", "social", "sp",
    "sr-sig", "ssn", "state", "subject-token", "sv", "ticket", "tin", "token", "totp", "totp-code",
    "user-code", "user-id", "user-session", "username", "usg", "verification-code", "vses2",
    "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-client-data",
    "x-goog-credential", "x-goog-signature", "xsrf",
};
const size_t mask_parameter_count =
    sizeof(mask_parameters) / sizeof(mask_parameters[0]);

const char *const mask_parameter_parts[] = {
    "passw", "passphrase", "secret", "token", "credential", "apikey", "api-key", "accesskey",
    "privatekey", "signature", "crypt", "salt", "certificate", "csrf", "xsrf", "jwt", "saml",
    "session", NULL,
};
