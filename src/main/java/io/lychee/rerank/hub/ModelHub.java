package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Finds models of hubs in the local cache, and downloads what is missing. */
public final class ModelHub {

    private final Map<String, String> environment;
    private final Progress progress;
    private final Consumer<String> messages;
    private final long rangeBytes;
    private final Retries.Pause pause;

    /**
     * @param environment variables as the Python clients read them, such as HF_HOME and HF_TOKEN
     * @param messages gets sentences for the user
     */
    public ModelHub(Map<String, String> environment, Progress progress, Consumer<String> messages) {
        this(environment, progress, messages, Downloader.RANGE_BYTES, time -> Thread.sleep(time.toMillis()));
    }

    ModelHub(
            Map<String, String> environment,
            Progress progress,
            Consumer<String> messages,
            long rangeBytes,
            Retries.Pause pause) {
        this.environment = environment;
        this.progress = progress;
        this.messages = messages;
        this.rangeBytes = rangeBytes;
        this.pause = pause;
    }

    /**
     * Holds a checkpoint directory in the cache.
     *
     * @param revision the commit, where the hub's cache knows it
     */
    public record Snapshot(Path directory, String revision) {}

    /** Returns the complete snapshot in the cache, without any request. */
    public Optional<Snapshot> cached(ModelReference model) {
        return complete(Repository.of(model, environment));
    }

    private static Optional<Snapshot> complete(Repository repository) {
        Path directory = repository.cached();
        return directory != null && CheckpointSelection.missing(directory).isEmpty()
                ? Optional.of(new Snapshot(directory, directory.getFileName().toString()))
                : Optional.empty();
    }

    /** Names the folder in which {@link #cached} looks, and the variable that changes it. */
    public String cacheFolder(ModelReference model) {
        Repository repository = Repository.of(model, environment);
        return repository.cache() + " (" + repository.cacheVariable() + ")";
    }

    /**
     * Brings the snapshot of the revision up to date with the hub, or uses a complete one where the hub can't be
     * reached.
     *
     * @throws ConfigException when the hub refuses, something is missing, or the disk is too small
     */
    public Snapshot pull(ModelReference model) {
        Repository repository = Repository.of(model, environment);
        Snapshot cached = complete(repository).orElse(null);
        if (cached != null && (repository.isFixed() || repository.isOffline())) {
            return cached;
        }
        if (repository.isOffline()) {
            throw unreachable(repository, "HF_HUB_OFFLINE is set", null);
        }
        Retries retries = new Retries(cached == null ? Retries.TRIES : 1, pause);
        Listing listing;
        try (HubClient client = client(repository, retries)) {
            listing = repository.list(client);
        } catch (IOException e) {
            StatusException answer = e instanceof StatusException status ? status : null;
            if (cached != null && (answer == null || answer.mayPass())) {
                messages.accept(
                        "%s can't be reached (%s); using what was downloaded before".formatted(model, describe(e)));
                return cached;
            }
            throw answer == null || answer.status() >= 500
                    ? unreachable(repository, describe(e), e)
                    : refused(repository, answer);
        }
        List<String> missing = CheckpointSelection.missing(listing.files());
        if (!missing.isEmpty()) {
            throw new ConfigException("%s has no %s; expected a checkpoint with safetensors (%s)"
                    .formatted(model, String.join(", ", missing), repository.page()));
        }
        return download(repository, listing);
    }

    private HubClient client(Repository repository, Retries retries) {
        return new HubClient(repository.endpoint(), repository.credentials(), environment, retries);
    }

    private Snapshot download(Repository repository, Listing listing) {
        try (FileChannel file = openLock(repository);
                FileLock lock = lock(file)) {
            if (lock == null) {
                throw new ConfigException("another process downloads %s now, it holds %s; repeat the command when it is"
                                .formatted(repository.model, repository.lock())
                        + " done");
            }
            List<Downloader.Job> jobs = new ArrayList<>();
            for (RemoteFile remote : listing.files()) {
                if (!repository.has(remote)) {
                    jobs.add(
                            new Downloader.Job(remote, repository.address(listing, remote), repository.target(remote)));
                }
            }
            requireSpace(repository, jobs);
            try (HubClient client = client(repository, new Retries(Retries.TRIES, pause));
                    Downloader downloader = new Downloader(client, rangeBytes, progress)) {
                downloader.run(jobs);
            }
            Path directory = repository.publish(listing);
            List<String> missing = CheckpointSelection.missing(directory);
            if (!missing.isEmpty()) {
                throw new ConfigException(
                        "%s has no %s, which its index names".formatted(repository.model, String.join(", ", missing)));
            }
            return new Snapshot(directory, listing.commit());
        } catch (StatusException e) {
            throw refused(repository, e);
        } catch (IOException e) {
            throw new ConfigException(
                    "the download of %s to %s ended: %s; the same command continues it"
                            .formatted(repository.model, repository.cache(), describe(e)),
                    e);
        }
    }

    private static FileChannel openLock(Repository repository) throws IOException {
        Files.createDirectories(repository.lock().getParent());
        return FileChannel.open(repository.lock(), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static @Nullable FileLock lock(FileChannel file) throws IOException {
        try {
            return file.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // another thread of this process
        }
    }

    private void requireSpace(Repository repository, List<Downloader.Job> jobs) throws IOException {
        long needed = 0;
        for (Downloader.Job job : jobs) {
            needed += job.file().size() - PartFile.received(job.target(), job.file(), rangeBytes);
        }
        FileStore disk = Files.getFileStore(Files.createDirectories(repository.cache()));
        if (needed > disk.getUsableSpace()) {
            throw new ConfigException("%s needs %s GB more in %s, and %s GB are free; %s names another folder"
                    .formatted(
                            repository.model,
                            gigabytes(needed),
                            repository.cache(),
                            gigabytes(disk.getUsableSpace()),
                            repository.cacheVariable()));
        }
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f", bytes / 1e9);
    }

    private static String describe(IOException e) {
        return e instanceof StatusException ? String.valueOf(e.getMessage()) : e.toString();
    }

    private static ConfigException unreachable(Repository repository, String why, @Nullable IOException cause) {
        Path directory = repository.cached();
        return new ConfigException(
                "%s is not complete in %s (%s), and can't be downloaded: %s; missing: %s"
                        .formatted(
                                repository.model,
                                directory == null ? repository.cache() : directory,
                                repository.cacheVariable(),
                                why,
                                directory == null
                                        ? "all of revision " + repository.model.revision()
                                        : String.join(", ", CheckpointSelection.missing(directory))),
                cause);
    }

    private static ConfigException refused(Repository repository, StatusException answer) {
        String what = repository.model + " (" + repository.page() + "): " + answer.getMessage();
        String token = repository.tokenVariable() + (repository.credentials().isEmpty() ? " is not set" : " is set");
        return new ConfigException(
                switch (answer.status()) {
                    case 401, 403 ->
                        what + "; it is private, gated or absent. Accept its terms on that page; " + token
                                + ", expected a token that may read it";
                    case 404 ->
                        what + "; expected a repository with this name and the revision " + repository.model.revision();
                    case 429 -> what + "; too many requests: wait, or use a token (" + token + ")";
                    default -> what;
                },
                answer);
    }
}
