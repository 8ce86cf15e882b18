// Validates an OpenAPI document: node validate.mjs openapi.json. Prints nothing but its version if it is right.
import SwaggerParser from '@apidevtools/swagger-parser';

const document = await SwaggerParser.validate(process.argv[2]);
console.log(`swagger-parser: OpenAPI ${document.openapi}, ${Object.keys(document.paths).length} paths`);
