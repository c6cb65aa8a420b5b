package io.lychee.rerank.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A model on Hugging Face; its cache holds {@code blobs}, links to them in {@code snapshots}, and {@code refs}. */
final class HuggingFaceRepository extends Repository {

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

    HuggingFaceRepository(ModelReference model, Map<String, String> environment) {
        super(model, environment);
    }

    @Override
    URI endpoint() {
        return endpoint("HF_ENDPOINT", value("HF_ENDPOINT", "https://huggingface.co"));
    }

    @Override
    Map<String, String> credentials() {
        String token = value("HF_TOKEN", value("HUGGING_FACE_HUB_TOKEN", ""));
        Path file = folder("HF_TOKEN_PATH", hubHome().resolve("token"));
        if (token.isEmpty() && Files.isRegularFile(file)) {
            try {
                token = Files.readString(file).strip();
            } catch (IOException e) {
                throw new ConfigException("%s (HF_TOKEN_PATH) can't be read: %s".formatted(file, e), e);
            }
        }
        return token.isEmpty() ? Map.of() : Map.of("Authorization", "Bearer " + token);
    }

    @Override
    String tokenVariable() {
        return "HF_TOKEN";
    }

    private Path hubHome() {
        return folder(
                "HF_HOME", folder("XDG_CACHE_HOME", home().resolve(".cache")).resolve("huggingface"));
    }

    @Override
    Path cache() {
        return folder("HF_HUB_CACHE", folder("HUGGINGFACE_HUB_CACHE", hubHome().resolve("hub")));
    }

    @Override
    String cacheVariable() {
        return "HF_HUB_CACHE or HF_HOME";
    }

    @Override
    boolean isOffline() {
        return TRUE.contains(
                value("HF_HUB_OFFLINE", value("TRANSFORMERS_OFFLINE", "")).toUpperCase(Locale.ROOT));
    }

    private String name() {
        return "models--" + model.id().replace("/", "--");
    }

    private Path folder() {
        return cache().resolve(name());
    }

    @Override
    Path lock() {
        return cache().resolve(".locks").resolve(name()).resolve("lychee.lock");
    }

    private Path ref() {
        return folder().resolve("refs").resolve(model.revision());
    }

    private Path snapshot(String commit) {
        return folder().resolve("snapshots").resolve(commit);
    }

    @Override
    @Nullable
    Path cached() {
        if (isFixed()) {
            return snapshot(model.revision());
        }
        try {
            String commit = Files.isRegularFile(ref()) ? Files.readString(ref()).strip() : "";
            return COMMIT.matcher(commit).matches() ? snapshot(commit) : null;
        } catch (IOException e) {
            throw new ConfigException("%s can't be read: %s".formatted(ref(), e), e);
        }
    }

    @Override
    boolean isFixed() {
        return COMMIT.matcher(model.revision()).matches();
    }

    @Override
    Listing list(HubClient client) throws IOException {
        JsonNode model = client.json(URI.create(endpoint() + "/api/models/" + this.model.id() + "/revision/"
                + encode(this.model.revision()) + "?blobs=true"));
        String commit = model.path("sha").asText();
        if (!COMMIT.matcher(commit).matches() || !model.path("siblings").isArray()) {
            throw new ConfigException("%s lists no commit and files of %s; expected a Hugging Face hub (HF_ENDPOINT)"
                    .formatted(endpoint(), this.model));
        }
        List<RemoteFile> files = new ArrayList<>();
        for (JsonNode file : model.path("siblings")) {
            String name = file.path("rfilename").asText();
            RemoteFile.requireSafe(name);
            if (CheckpointSelection.includes(name)) {
                String hash = file.path("lfs")
                        .path("sha256")
                        .asText(file.path("blobId").asText());
                files.add(new RemoteFile(name, file.path("size").asLong(-1), hash));
            }
        }
        return new Listing(commit, CheckpointSelection.once(files));
    }

    @Override
    URI address(Listing listing, RemoteFile file) {
        return URI.create(endpoint() + "/" + model.id() + "/resolve/" + listing.commit() + "/" + encode(file.name()));
    }

    @Override
    Path target(RemoteFile file) {
        return folder().resolve("blobs").resolve(file.hash());
    }

    /** Trusts a name that is its hash, as the Python client does. */
    @Override
    boolean has(RemoteFile file) throws IOException {
        return Files.isRegularFile(target(file)) && Files.size(target(file)) == file.size();
    }

    @Override
    Path publish(Listing listing) throws IOException {
        Path snapshot = Files.createDirectories(snapshot(listing.commit()));
        for (RemoteFile file : listing.files()) {
            Path link = snapshot.resolve(file.name());
            Path blob = snapshot.relativize(target(file));
            if (!Files.isSymbolicLink(link) || !Files.readSymbolicLink(link).equals(blob)) {
                Files.deleteIfExists(link);
                Files.createSymbolicLink(link, blob);
            }
        }
        if (!isFixed()) {
            Files.createDirectories(ref().getParent());
            Path written = Files.writeString(ref().resolveSibling(ref().getFileName() + ".lychee"), listing.commit());
            Files.move(written, ref(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
        return snapshot;
    }
}
