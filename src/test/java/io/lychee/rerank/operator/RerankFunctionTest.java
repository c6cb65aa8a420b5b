package io.lychee.rerank.operator;

import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import org.junit.jupiter.api.Test;

class RerankFunctionTest {

    @Test
    void jarsOfTwoBuildsAreRefused() {
        assertThatNoException().isThrownBy(() -> RerankFunction.requireSame("0.1.0+aa", "0.1.0+aa"));
        assertThatNoException().isThrownBy(() -> RerankFunction.requireSame(null, null));
        assertThatThrownBy(() -> RerankFunction.requireSame("0.1.0+aa", "0.1.0+bb"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("lib/ is 0.1.0+aa, the job jar was built with 0.1.0+bb");
    }
}
