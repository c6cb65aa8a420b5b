package io.lychee.rerank.domain;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a query or a candidate shows the model: images, then text; either may be missing. */
public record Content(@Nullable String text, List<Image> images) {

    public Content {
        images = List.copyOf(images);
    }

    /** Without image, and without text once white space is trimmed. */
    public boolean isEmpty() {
        return images.isEmpty() && (text == null || text.isBlank());
    }
}
