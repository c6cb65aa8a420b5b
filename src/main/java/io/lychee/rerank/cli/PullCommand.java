package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.hub.ModelHub;
import io.lychee.rerank.hub.ModelReference;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code ./lychee pull}: downloads a checkpoint from a hub, and prints its directory. */
@Command(
        name = "pull",
        description = {
            "Downloads a checkpoint, or what is missing of it, and prints its directory on standard output.",
            "The cache is that of the hub's Python client. The same command continues an interrupted download."
        })
final class PullCommand implements Callable<Integer> {

    @Parameters(paramLabel = "MODEL", description = "ORG/NAME or hf:ORG/NAME (Hugging Face), or modelscope:ORG/NAME.")
    @SuppressWarnings("NullAway.Init") // required
    private String model;

    @Option(names = "--revision", description = "Branch, tag or commit. Default: main, on ModelScope master.")
    private @Nullable String revision;

    @Override
    public Integer call() {
        ModelReference reference = ModelReference.parse(ModelReference.is(model) ? model : "hf:" + model);
        ModelReference wanted = revision == null ? reference : reference.at(revision);
        ModelHub.Snapshot snapshot = hub().pull(wanted);
        System.err.println(wanted + " is at revision " + snapshot.revision());
        System.out.println(snapshot.directory());
        return 0;
    }

    private static ModelHub hub() {
        DownloadProgress progress = new DownloadProgress();
        return new ModelHub(System.getenv(), progress::show, message -> System.err.println("lychee: " + message));
    }

    /** Replaces a model of a hub by its directory; downloads what is missing. */
    static Map<String, String> resolve(Map<String, String> values) {
        ModelHub hub = hub();
        return replace(
                values,
                reference -> hub.cached(reference).or(() -> {
                    System.err.println(
                            reference + " is not complete in " + hub.cacheFolder(reference) + "; asking its hub");
                    return Optional.of(hub.pull(reference));
                }));
    }

    /** Replaces a model of a hub by its directory where that is complete in the cache. */
    static Map<String, String> resolveCached(Map<String, String> values) {
        return replace(values, hub()::cached);
    }

    private static Map<String, String> replace(
            Map<String, String> values, Function<ModelReference, Optional<ModelHub.Snapshot>> find) {
        Map<String, String> replaced = new HashMap<>(values);
        replaced.computeIfPresent(
                ConfigKeys.CHECKPOINT,
                (key, checkpoint) -> ModelReference.is(checkpoint)
                        ? find.apply(ModelReference.parse(checkpoint))
                                .map(snapshot -> snapshot.directory().toString())
                                .orElse(checkpoint)
                        : checkpoint);
        return replaced;
    }
}
