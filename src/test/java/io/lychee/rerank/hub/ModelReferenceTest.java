package io.lychee.rerank.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelReferenceTest {

    @Test
    void aReferenceHasAHubAModelAndARevision() {
        assertThat(ModelReference.parse("hf:vec-ai/lychee-rerank-mm"))
                .isEqualTo(new ModelReference(ModelReference.Hub.HUGGING_FACE, "vec-ai/lychee-rerank-mm", "main"))
                .hasToString("hf:vec-ai/lychee-rerank-mm");
        assertThat(ModelReference.parse("modelscope:a/b.c"))
                .isEqualTo(new ModelReference(ModelReference.Hub.MODELSCOPE, "a/b.c", "master"));
        assertThat(ModelReference.parse("hf:a/b@refs/pr/1")).hasToString("hf:a/b@refs/pr/1");
        assertThat(ModelReference.is("hf:a/b")).isTrue();
        assertThat(ModelReference.is("models/hf")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf:a",
                "hf:a/b/c",
                "hf:../b",
                "hf:a/..",
                "hf:a/b..c",
                "hf:a--b/c",
                "hf:.a/b",
                "hf:-a/b",
                "hf:a/b@",
                "hf:a/b@../x",
                "hf:a/b@/x",
                "hf:a/b@x//y",
                "hf:a/b@x/.y",
                "hf:a/b@x y",
                "hf:a b/c",
                "hf:a/b\n",
                "hub:a/b"
            })
    void otherFormsAreRefused(String reference) {
        assertThatThrownBy(() -> ModelReference.parse(reference)).isInstanceOf(ConfigException.class);
    }
}
