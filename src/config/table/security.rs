//! Broker keys: authentication, encryption and who may do what.

macro_rules! security_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "authorizer.class.name", String, Is(""), NonNull, ReadOnly, Refused(AUTHORIZER),
            "The class that decides who may do what; empty lets everyone do everything.";
        "connection.failed.authentication.delay.ms", Int, Is("100"), AtLeast(0), ReadOnly, WithoutEffect(NO_SASL),
            "Wait before a connection that failed to authenticate is closed.";
        "connections.max.reauth.ms", Long, Is("0"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "How long a SASL session lasts before the client must authenticate again.";
        "delegation.token.expiry.check.interval.ms", Long, Is("3600000"), AtLeast(1), ReadOnly, WithoutEffect(TOKENS),
            "How often expired delegation tokens are looked for.";
        "delegation.token.expiry.time.ms", Long, Is("86400000"), AtLeast(1), ReadOnly, WithoutEffect(TOKENS),
            "How long a delegation token lasts without renewal.";
        "delegation.token.max.lifetime.ms", Long, Is("604800000"), AtLeast(1), ReadOnly, WithoutEffect(TOKENS),
            "How long a delegation token lasts at most.";
        "delegation.token.secret.key", Password, Null, Any, ReadOnly, WithoutEffect(TOKENS),
            "The secret from which delegation tokens are made.";
        "principal.builder.class", Class, Is("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"), Any, PerBroker, Refused(PRINCIPAL),
            "The class that derives the principal of a connection.";
        "sasl.client.callback.handler.class", Class, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class for callbacks of SASL clients.";
        "sasl.enabled.mechanisms", List, Is("GSSAPI"), Unique { empty: true, null: false }, PerBroker, WithoutEffect(NO_SASL),
            "SASL mechanisms that are offered.";
        "sasl.jaas.config", Password, Null, Any, PerBroker, WithoutEffect(NO_SASL),
            "The JAAS login of a SASL connection.";
        "sasl.kerberos.kinit.cmd", String, Is("/usr/bin/kinit"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Path of kinit.";
        "sasl.kerberos.min.time.before.relogin", Long, Is("60000"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Sleep of the Kerberos refresh thread between tries.";
        "sasl.kerberos.principal.to.local.rules", List, Is("DEFAULT"), Unique { empty: true, null: false }, PerBroker, WithoutEffect(NO_SASL),
            "Rules that turn Kerberos principals into short names.";
        "sasl.kerberos.service.name", String, Null, Any, PerBroker, WithoutEffect(NO_SASL),
            "Kerberos name that Kafka runs as.";
        "sasl.kerberos.ticket.renew.jitter", Double, Is("0.05"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Random share added to the Kerberos renewal time.";
        "sasl.kerberos.ticket.renew.window.factor", Double, Is("0.8"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Share of a ticket's life after which it is renewed.";
        "sasl.login.callback.handler.class", Class, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class for callbacks of SASL logins.";
        "sasl.login.class", Class, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class of SASL logins.";
        "sasl.login.connect.timeout.ms", Int, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "How long a connection to an OAuth provider may take.";
        "sasl.login.read.timeout.ms", Int, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "How long an OAuth provider may take to answer.";
        "sasl.login.refresh.buffer.seconds", Short, Is("300"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Seconds kept before a credential's end when refreshing.";
        "sasl.login.refresh.min.period.seconds", Short, Is("60"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Least seconds between two refreshes of a credential.";
        "sasl.login.refresh.window.factor", Double, Is("0.8"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Share of a credential's life after which it is refreshed.";
        "sasl.login.refresh.window.jitter", Double, Is("0.05"), Any, PerBroker, WithoutEffect(NO_SASL),
            "Random share added to the refresh time.";
        "sasl.login.retry.backoff.max.ms", Long, Is("10000"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Longest wait between tries of a login.";
        "sasl.login.retry.backoff.ms", Long, Is("100"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "First wait between tries of a login.";
        "sasl.mechanism.controller.protocol", String, Is("GSSAPI"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "SASL mechanism for connections to controllers.";
        "sasl.mechanism.inter.broker.protocol", String, Is("GSSAPI"), Any, PerBroker, WithoutEffect(NO_SASL),
            "SASL mechanism between brokers.";
        "sasl.oauthbearer.assertion.algorithm", String, Is("RS256"), OneOfNoCase(&["ES256", "RS256"]), ReadOnly, WithoutEffect(NO_SASL),
            "Algorithm that signs OAuth assertions.";
        "sasl.oauthbearer.assertion.claim.aud", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Audience claim of OAuth assertions.";
        "sasl.oauthbearer.assertion.claim.exp.seconds", Int, Is("300"), Between(0, 86400), ReadOnly, WithoutEffect(NO_SASL),
            "Seconds that OAuth assertions are valid.";
        "sasl.oauthbearer.assertion.claim.iss", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Issuer claim of OAuth assertions.";
        "sasl.oauthbearer.assertion.claim.jti.include", Boolean, Is("false"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Whether OAuth assertions carry a unique id.";
        "sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Is("60"), Between(0, 3600), ReadOnly, WithoutEffect(NO_SASL),
            "Seconds before now from which OAuth assertions are valid.";
        "sasl.oauthbearer.assertion.claim.sub", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Subject claim of OAuth assertions.";
        "sasl.oauthbearer.assertion.file", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "File that holds a ready OAuth assertion.";
        "sasl.oauthbearer.assertion.private.key.file", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Key file that signs OAuth assertions.";
        "sasl.oauthbearer.assertion.private.key.passphrase", Password, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Passphrase of that key file.";
        "sasl.oauthbearer.assertion.template.file", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "File with header and claims of OAuth assertions.";
        "sasl.oauthbearer.client.credentials.client.id", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Client id for OAuth client credentials.";
        "sasl.oauthbearer.client.credentials.client.secret", Password, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Client secret for OAuth client credentials.";
        "sasl.oauthbearer.clock.skew.seconds", Int, Is("30"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Seconds by which clocks may differ when tokens are checked.";
        "sasl.oauthbearer.expected.audience", List, Is(""), Unique { empty: true, null: false }, ReadOnly, WithoutEffect(NO_SASL),
            "Audiences of which a token must name one.";
        "sasl.oauthbearer.expected.issuer", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "The issuer that a token must name.";
        "sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Is("3600000"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "How often the published keys are fetched again.";
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Is("10000"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Longest wait between tries of fetching the published keys.";
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Is("100"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "First wait between tries of fetching the published keys.";
        "sasl.oauthbearer.jwks.endpoint.url", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Where the keys that sign tokens are published.";
        "sasl.oauthbearer.jwt.retriever.class", Class, Is("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class that fetches OAuth tokens.";
        "sasl.oauthbearer.jwt.validator.class", Class, Is("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class that checks OAuth tokens.";
        "sasl.oauthbearer.scope", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Scope asked for in OAuth token requests.";
        "sasl.oauthbearer.scope.claim.name", String, Is("scope"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "The claim that holds a token's scope.";
        "sasl.oauthbearer.sub.claim.name", String, Is("sub"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "The claim that holds a token's subject.";
        "sasl.oauthbearer.token.endpoint.url", String, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Where OAuth tokens are issued.";
        "sasl.server.callback.handler.class", Class, Null, Any, ReadOnly, WithoutEffect(NO_SASL),
            "Class for callbacks of SASL servers.";
        "sasl.server.max.receive.size", Int, Is("524288"), Any, ReadOnly, WithoutEffect(NO_SASL),
            "Largest message accepted before a client is authenticated.";
        "security.inter.broker.protocol", String, Is("PLAINTEXT"), OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), ReadOnly, Obeyed,
            "The protocol brokers use among themselves, when inter.broker.listener.name is not set.";
        "security.providers", String, Null, Any, ReadOnly, WithoutEffect(NO_TLS),
            "Java classes that supply security algorithms.";
        "ssl.allow.dn.changes", Boolean, Is("false"), Any, ReadOnly, WithoutEffect(NO_TLS),
            "Whether a new key store may hold another distinguished name.";
        "ssl.allow.san.changes", Boolean, Is("false"), Any, ReadOnly, WithoutEffect(NO_TLS),
            "Whether a new key store may hold other alternative names.";
        "ssl.cipher.suites", List, Is(""), Unique { empty: true, null: false }, PerBroker, WithoutEffect(NO_TLS),
            "Cipher suites that are allowed.";
        "ssl.client.auth", String, Is("none"), OneOf(&["required", "requested", "none"]), PerBroker, Refused(TLS),
            "Whether TLS clients must show a certificate.";
        "ssl.enabled.protocols", List, Is("TLSv1.2,TLSv1.3"), Unique { empty: true, null: false }, PerBroker, WithoutEffect(NO_TLS),
            "TLS versions that are allowed.";
        "ssl.endpoint.identification.algorithm", String, Is("https"), Any, PerBroker, WithoutEffect(NO_TLS),
            "How a server's host name is checked against its certificate.";
        "ssl.engine.factory.class", Class, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Class that makes Java TLS engines.";
        "ssl.key.password", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Password of the private key.";
        "ssl.keymanager.algorithm", String, Is("SunX509"), Any, PerBroker, WithoutEffect(NO_TLS),
            "Algorithm of the Java key manager.";
        "ssl.keystore.certificate.chain", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Certificate chain as PEM text.";
        "ssl.keystore.key", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Private key as PEM text.";
        "ssl.keystore.location", String, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "File that holds key and certificate.";
        "ssl.keystore.password", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Password of the key store.";
        "ssl.keystore.type", String, Is("JKS"), Any, PerBroker, WithoutEffect(NO_TLS),
            "Format of the key store.";
        "ssl.principal.mapping.rules", String, Is("DEFAULT"), Any, ReadOnly, WithoutEffect(NO_TLS),
            "Rules that turn certificate names into short names.";
        "ssl.protocol", String, Is("TLSv1.3"), Any, PerBroker, WithoutEffect(NO_TLS),
            "TLS version asked for.";
        "ssl.provider", String, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Java security provider for TLS.";
        "ssl.secure.random.implementation", String, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Java random generator for TLS.";
        "ssl.trustmanager.algorithm", String, Is("PKIX"), Any, PerBroker, WithoutEffect(NO_TLS),
            "Algorithm of the Java trust manager.";
        "ssl.truststore.certificates", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Trusted certificates as PEM text.";
        "ssl.truststore.location", String, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "File that holds trusted certificates.";
        "ssl.truststore.password", Password, Null, Any, PerBroker, WithoutEffect(NO_TLS),
            "Password of the trust store.";
        "ssl.truststore.type", String, Is("JKS"), Any, PerBroker, WithoutEffect(NO_TLS),
            "Format of the trust store.";
        }
    };
}
