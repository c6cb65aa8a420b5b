package io.lychee.rerank.checkpoint;

import io.lychee.rerank.config.ConfigException;
import java.util.List;

/** Lists the families of networks. */
public final class Families {

    public static final List<Family> ALL = List.of(new Qwen25Vl(), new Qwen3Vl());

    private Families() {}

    /** @throws ConfigException when no family has the checkpoint's {@code model_type} */
    public static Family of(CheckpointFiles checkpoint) {
        return ConfigReader.of(checkpoint).family();
    }

    /** Returns the family of a checkpoint, or the first where this machine lacks it. */
    public static Family find(String checkpoint) {
        try {
            return of(CheckpointFiles.of(checkpoint));
        } catch (ConfigException e) {
            return ALL.get(0);
        }
    }
}
