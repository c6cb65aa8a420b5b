package io.lychee.rerank.task;

import io.lychee.rerank.config.ConfigException;
import java.util.Collection;
import java.util.List;
import org.apache.flink.api.common.externalresource.ExternalResourceInfo;

/** Reads the GPUs that Flink gives a task manager. */
public final class Gpus {

    /** Name of Flink's external resource, in {@code external-resources} of its configuration. */
    public static final String RESOURCE = "gpu";

    private Gpus() {}

    /**
     * Returns their numbers, ascending.
     *
     * @throws ConfigException when one has no number
     */
    public static List<Integer> numbers(Collection<ExternalResourceInfo> found) {
        return found.stream().map(Gpus::index).sorted().toList();
    }

    private static int index(ExternalResourceInfo gpu) {
        String index = gpu.getProperty("index").orElse("none");
        try {
            return Integer.parseInt(index);
        } catch (NumberFormatException e) {
            throw new ConfigException(
                    "Flink's external resource " + RESOURCE + " has the index " + index + "; expected a number", e);
        }
    }
}
