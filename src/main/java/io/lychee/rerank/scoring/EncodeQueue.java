package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Orders fetching and encoding by urgency, within bounds on bytes ({@code encode.max-bytes}) and on fetches
 * ({@code fetch.max-connections}). Backfill gets half of either. Called under the engine's lock.
 */
final class EncodeQueue {

    private final EngineSettings settings;
    private final TreeSet<EncodeTask> toFetch = new TreeSet<>();
    /** Tasks that need no fetch. */
    private final TreeSet<EncodeTask> toEncode = new TreeSet<>();
    /** Fetched tasks to be encoded, with the bytes of their images. */
    private final TreeMap<EncodeTask, List<byte[]>> fetched = new TreeMap<>();
    /** Tasks being encoded, with the bytes of their images. */
    private final Map<EncodeTask, List<byte[]>> beingEncoded = new HashMap<>();

    /** Bytes of images that were fetched, or are being encoded. */
    private long imageBytes;
    /** Bytes that fetches in flight may bring. */
    long reservedBytes;

    private long encodedBytes;
    private long prefixBytes;
    /** Images by reference of tasks taken to fetch and not yet being encoded. */
    private int fetching;

    private int fetchingBackfill;

    EncodeQueue(EngineSettings settings) {
        this.settings = settings;
    }

    void add(EncodeTask task) {
        (task.references() == 0 ? toEncode : toFetch).add(task);
    }

    /** Takes out a list's tasks; those that run give their bytes back when they end. */
    void remove(ListInFlight owner) {
        tasksOf(owner, toFetch).clear();
        tasksOf(owner, toEncode).clear();
        for (EncodeTask task : List.copyOf(tasksOf(owner, fetched.navigableKeySet()))) {
            imageBytes -= size(takeFetched(task));
        }
    }

    private static NavigableSet<EncodeTask> tasksOf(ListInFlight owner, NavigableSet<EncodeTask> tasks) {
        return tasks.subSet(
                new EncodeTask(owner, EncodeTask.PREFIX), true, new EncodeTask(owner, Integer.MAX_VALUE), true);
    }

    boolean hasWork() {
        return fetchable() != null || encodable() != null;
    }

    /** Takes the most urgent task whose images may be fetched now, and reserves bytes for them. */
    @Nullable
    EncodeTask nextFetch() {
        EncodeTask task = fetchable();
        if (task != null) {
            toFetch.remove(task);
            countFetching(task, 1);
            reservedBytes += estimate(task);
            addCandidatesOf(task);
        }
        return task;
    }

    /** Takes the most urgent task that may be encoded now; {@link #images} has its images until {@link #release}. */
    @Nullable
    EncodeTask nextEncode() {
        EncodeTask task = encodable();
        if (task != null && toEncode.remove(task)) {
            beingEncoded.put(task, task.inlineImages());
            imageBytes += size(task.inlineImages());
            addCandidatesOf(task);
        } else if (task != null) {
            beingEncoded.put(task, takeFetched(task));
        }
        return task;
    }

    private List<byte[]> takeFetched(EncodeTask task) {
        countFetching(task, -1);
        return Objects.requireNonNull(fetched.remove(task));
    }

    /** Adds a list's candidates behind its prefix: earlier ones could fill the bound, and never leave it. */
    private void addCandidatesOf(EncodeTask prefix) {
        if (prefix.isPrefix()) {
            for (int i = 0; i < prefix.owner().states.length; i++) {
                if (!prefix.owner().isSettled(i)) {
                    add(new EncodeTask(prefix.owner(), i));
                }
            }
        }
    }

    private @Nullable EncodeTask fetchable() {
        EncodeTask task = first(toFetch);
        return task == null || !mayFetch(task) ? null : task;
    }

    /** Selects the most urgent task; for want of bytes none but what was fetched. */
    private @Nullable EncodeTask encodable() {
        EncodeTask text = first(toEncode);
        EncodeTask images = first(fetched.navigableKeySet());
        return text != null && (images == null || text.compareTo(images) < 0) && mayEncode(text) ? text : images;
    }

    private static @Nullable EncodeTask first(NavigableSet<EncodeTask> tasks) {
        return tasks.isEmpty() ? null : tasks.first();
    }

    private boolean mayEncode(EncodeTask task) {
        EncodeTask waiting = first(toFetch);
        // a smaller and less urgent task must not keep out a larger one that waits for bytes
        boolean yields = waiting != null && waiting.compareTo(task) < 0 && lacksBytes(waiting, 0);
        return !yields && (bytes() < bound(task) || bytes() == prefixBytes);
    }

    private boolean mayFetch(EncodeTask task) {
        int references = task.references();
        return fits(references, fetching, settings.fetches())
                && (!isBackfill(task) || fits(references, fetchingBackfill, Math.max(1, settings.fetches() / 2)))
                && !lacksBytes(task, reservedBytes);
    }

    /** Lets a task that is larger than the bound run alone. */
    private static boolean fits(int references, int inFlight, int most) {
        return inFlight == 0 || inFlight + references <= most;
    }

    /**
     * Tells whether a fetch would pass the bound. Prefixes don't count for a task larger than the bound: they leave
     * with their candidates, which have to come in for it.
     */
    private boolean lacksBytes(EncodeTask task, long reserved) {
        long used = bytes() + reserved;
        return used + estimate(task) > bound(task) && used != prefixBytes;
    }

    private long bound(EncodeTask task) {
        return isBackfill(task) ? settings.encodeBytes() / 2 : settings.encodeBytes();
    }

    private long estimate(EncodeTask task) {
        return (long) task.references() * settings.imageBytes();
    }

    private static boolean isBackfill(EncodeTask task) {
        return task.owner().lane() == Lane.BACKFILL;
    }

    private void countFetching(EncodeTask task, int sign) {
        int references = sign * task.references();
        fetching += references;
        fetchingBackfill += isBackfill(task) ? references : 0;
    }

    /** Queues a fetched task to be encoded, unless its list has been answered. */
    void fetched(EncodeTask task, List<byte[]> bytes) {
        reservedBytes -= estimate(task);
        if (task.owner().done) {
            countFetching(task, -1);
        } else {
            fetched.put(task, bytes);
            imageBytes += size(bytes);
        }
    }

    void fetchFailed(EncodeTask task) {
        reservedBytes -= estimate(task);
        countFetching(task, -1);
    }

    List<byte[]> images(EncodeTask task) {
        return beingEncoded.getOrDefault(task, List.of());
    }

    /** Gives back the bytes of a task's images. */
    void release(EncodeTask task) {
        imageBytes -= size(images(task));
        beingEncoded.remove(task);
    }

    private static long size(List<byte[]> images) {
        return images.stream().mapToLong(image -> image.length).sum();
    }

    /** Counts encoded candidates that came to wait for the device, or went (negative). */
    void countEncoded(long bytes) {
        encodedBytes += bytes;
    }

    /** Counts encoded prefixes likewise. */
    void countPrefix(long bytes) {
        encodedBytes += bytes;
        prefixBytes += bytes;
    }

    /** Returns bytes of images to be encoded, and of encoded work that waits for the device. */
    long bytes() {
        return imageBytes + encodedBytes;
    }

    void clear() {
        toFetch.clear();
        toEncode.clear();
        fetched.clear();
        beingEncoded.clear();
        imageBytes = 0;
        encodedBytes = 0;
        prefixBytes = 0;
    }
}
