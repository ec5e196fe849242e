// TEST ONLY. A self-signed certificate and its private key, public by being here: nothing but the tests of this folder
// may trust it. Made with: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
//   -subj "/CN=darkroom test only, trusted by nobody" -addext "subjectAltName=DNS:public.test,…,IP:127.0.0.1"

export const TEST_ONLY_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghWwN2ArNcAkUuaVR
agO2I1UwyzAJjkuDq5PvENjcYCWhRANCAAS/zsyKK6NnKAdxnFTb16oLIy6N9szl
nR7s4Z4xM4ftkKAdsAGtAvR647dKJQkcTttmR9gvjsg8o5WHBiUSXhcZ
-----END PRIVATE KEY-----
`;

export const TEST_ONLY_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIB+jCCAZ+gAwIBAgIUEjCrrze2iQdSg3zrnFeF32hvVTAwCgYIKoZIzj0EAwIw
MDEuMCwGA1UEAwwlZGFya3Jvb20gdGVzdCBvbmx5LCB0cnVzdGVkIGJ5IG5vYm9k
eTAgFw0yNjExMjIxNTU4MTNaGA8yMTI2MTAyOTE1NTgxM1owMDEuMCwGA1UEAwwl
ZGFya3Jvb20gdGVzdCBvbmx5LCB0cnVzdGVkIGJ5IG5vYm9keTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABL/OzIoro2coB3GcVNvXqgsjLo32zOWdHuzhnjEzh+2Q
oB2wAa0C9Hrjt0olCRxO22ZH2C+OyDyjlYcGJRJeFxmjgZQwgZEwHQYDVR0OBBYE
FB8PdzR2zJxTKwLXR0vXOnxkvyz1MB8GA1UdIwQYMBaAFB8PdzR2zJxTKwLXR0vX
Onxkvyz1MA8GA1UdEwEB/wQFMAMBAf8wPgYDVR0RBDcwNYILcHVibGljLnRlc3SC
C3JlYmluZC50ZXN0gg1pbnRlcm5hbC50ZXN0hwR/AAABhwR/AAACMAoGCCqGSM49
BAMCA0kAMEYCIQD9FjXq6uSi9u9M1+gkZe96AtGEfH28bQaSj5QHL41XSwIhALar
UsSbUX/siPfGYAHrO/FxSik3Eprwhe/80i4XkAhV
-----END CERTIFICATE-----
`;
