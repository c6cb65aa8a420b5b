package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Knows the addresses of one model on its hub, and the layout of the cache that the hub's Python client uses. */
abstract class Repository {

    final ModelReference model;
    final Map<String, String> environment;

    Repository(ModelReference model, Map<String, String> environment) {
        this.model = model;
        this.environment = environment;
    }

    static Repository of(ModelReference model, Map<String, String> environment) {
        return switch (model.hub()) {
            case HUGGING_FACE -> new HuggingFaceRepository(model, environment);
            case MODELSCOPE -> new ModelScopeRepository(model, environment);
        };
    }

    abstract URI endpoint();

    /** Returns the headers that only the endpoint's host may see. */
    abstract Map<String, String> credentials();

    /** Names the environment variable of the token. */
    abstract String tokenVariable();

    /** Returns the cache's folder, and the variable that names another. */
    abstract Path cache();

    abstract String cacheVariable();

    /** Returns the page where a person accepts the terms of a gated model. */
    URI page() {
        return URI.create(endpoint() + "/" + model.id());
    }

    boolean isOffline() {
        return false;
    }

    /** Returns the directory of the revision as far as the cache knows it, complete or not. */
    abstract @Nullable Path cached();

    /** Tells whether the revision can't move, so that a complete snapshot of it is the newest. */
    abstract boolean isFixed();

    abstract Listing list(HubClient client) throws IOException;

    abstract URI address(Listing listing, RemoteFile file);

    /** Returns the path at which the cache keeps a file's bytes. */
    abstract Path target(RemoteFile file);

    abstract boolean has(RemoteFile file) throws IOException;

    /** Makes a complete listing a snapshot, and returns its directory. */
    abstract Path publish(Listing listing) throws IOException;

    abstract Path lock();

    /** Returns a variable's value, or the other where it is unset or empty. */
    String value(String key, String otherwise) {
        String value = environment.getOrDefault(key, "").strip();
        return value.isEmpty() ? otherwise : value;
    }

    /** Reads a folder; a leading ~ is the home. */
    Path folder(String key, Path otherwise) {
        String value = value(key, otherwise.toString());
        Path path = Path.of(value.equals("~") || value.startsWith("~/") ? home() + value.substring(1) : value);
        return path.toAbsolutePath().normalize();
    }

    Path home() {
        return Path.of(value("HOME", System.getProperty("user.home")));
    }

    /** @throws ConfigException for an address that isn't one, or holds a password; it isn't repeated */
    static URI endpoint(String key, String value) {
        String address = value.contains("://") ? value : "https://" + value;
        try {
            URI endpoint = new URI(address.replaceAll("/+$", ""));
            if (endpoint.getHost() != null
                    && endpoint.getRawUserInfo() == null
                    && endpoint.getScheme().matches("https?")) {
                return endpoint;
            }
        } catch (URISyntaxException e) {
            // below
        }
        throw new ConfigException(key + " is no address; expected https://HOST, without user and password");
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
