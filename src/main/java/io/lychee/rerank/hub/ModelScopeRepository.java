package io.lychee.rerank.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A model on ModelScope; its cache holds plain files in {@code models/ORG--NAME/snapshots/REVISION}. Clients before
 * 1.38 kept one revision of each model in {@code models/ORG/NAME}; as newer ones do, an existing one stays in use.
 */
final class ModelScopeRepository extends Repository {

    ModelScopeRepository(ModelReference model, Map<String, String> environment) {
        super(model, environment);
    }

    @Override
    URI endpoint() {
        String former = value("MODELSCOPE_DOMAIN", "https://modelscope.cn");
        return endpoint("MODELSCOPE_ENDPOINT", value("MODELSCOPE_ENDPOINT", former));
    }

    @Override
    URI page() {
        return URI.create(endpoint() + "/models/" + model.id());
    }

    @Override
    Map<String, String> credentials() {
        String token = value("MODELSCOPE_API_TOKEN", "");
        // which of the two counts depends on the address
        return token.isEmpty()
                ? Map.of()
                : Map.of("Authorization", "Bearer " + token, "Cookie", "m_session_id=" + token);
    }

    @Override
    String tokenVariable() {
        return "MODELSCOPE_API_TOKEN";
    }

    @Override
    Path cache() {
        return folder("MODELSCOPE_CACHE", home().resolve(".cache").resolve("modelscope"));
    }

    @Override
    String cacheVariable() {
        return "MODELSCOPE_CACHE";
    }

    @Override
    Path lock() {
        return cache().resolve(".lock").resolve("lychee_" + model.id().replace("/", "--") + ".lock");
    }

    @Override
    Path cached() {
        Path models = cache().resolve("models");
        String former = model.id().substring(0, model.id().indexOf('/') + 1)
                + model.id().substring(model.id().indexOf('/') + 1).replace(".", "___");
        return Stream.of(models.resolve(former), cache().resolve("hub/models").resolve(former))
                .filter(folder -> model.revision().equals(model.hub().branch)
                        && Files.isRegularFile(folder.resolve("config.json")))
                .findFirst()
                .orElse(models.resolve(model.id().replace("/", "--"))
                        .resolve("snapshots")
                        .resolve(model.revision()));
    }

    @Override
    boolean isFixed() {
        return false;
    }

    @Override
    Listing list(HubClient client) throws IOException {
        JsonNode answer = client.json(URI.create(endpoint() + "/api/v1/models/" + model.id() + "/repo/files?Revision="
                + encode(model.revision()) + "&Recursive=True"));
        JsonNode list = answer.path("Data").path("Files");
        if (answer.path("Code").asInt(200) != 200 || !list.isArray()) {
            throw new ConfigException("%s lists no files of %s: code %d; expected a ModelScope hub with this model and"
                            .formatted(endpoint(), model, answer.path("Code").asInt())
                    + " revision (MODELSCOPE_ENDPOINT)");
        }
        List<RemoteFile> files = new ArrayList<>();
        for (JsonNode file : list) {
            String name = file.path("Path").asText();
            RemoteFile.requireSafe(name);
            if (CheckpointSelection.includes(name)) {
                files.add(new RemoteFile(
                        name, file.path("Size").asLong(-1), file.path("Sha256").asText()));
            }
        }
        return new Listing(model.revision(), CheckpointSelection.once(files));
    }

    @Override
    URI address(Listing listing, RemoteFile file) {
        return URI.create(endpoint() + "/api/v1/models/" + model.id() + "/repo?Revision=" + encode(model.revision())
                + "&FilePath=" + encode(file.name()));
    }

    @Override
    Path target(RemoteFile file) {
        return cached().resolve(file.name());
    }

    /** Compares the bytes, because a branch's folder may hold an older file of the same size. */
    @Override
    boolean has(RemoteFile file) throws IOException {
        return Files.isRegularFile(target(file)) && file.matches(target(file));
    }

    @Override
    Path publish(Listing listing) {
        return cached();
    }
}
