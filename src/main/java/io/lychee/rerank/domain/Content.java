package io.lychee.rerank.domain;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Content of a query or candidate: images, then text; either may be missing. */
public record Content(@Nullable String text, List<Image> images) {

    public Content {
        images = List.copyOf(images);
    }

    /** Without image, and without text once white space is trimmed. */
    public boolean isEmpty() {
        return images.isEmpty() && (text == null || text.isBlank());
    }
}
