package io.lychee.rerank.operator;

import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import java.util.Map;
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

    @Test
    void aRuleThatIsNoneIsRefusedWhenTheJobIsBuilt() {
        RerankConfig config = RerankConfig.of(Map.of("model.checkpoint", "none", "rules", "no rule"));

        assertThatThrownBy(() -> new RerankFunction(config, gpus -> null, Lane.REALTIME, false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("rules");
    }
}
