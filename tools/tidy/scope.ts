import ts from "typescript";

/** True where a parameter, variable, function or import of this file bears the name: then it is not the global one. */
export function isBoundLocally(identifier: ts.Identifier): boolean {
  for (let scope: ts.Node | undefined = identifier.parent; scope !== undefined; scope = scope.parent)
    if (namesOf(scope).some((name) => binds(name, identifier.text))) return true;
  return false;
}

/** The names that a scope declares itself. */
function namesOf(scope: ts.Node): (ts.BindingName | undefined)[] {
  if (ts.isFunctionLike(scope)) return scope.parameters.map((parameter) => parameter.name);
  if (ts.isForOfStatement(scope) || ts.isForStatement(scope) || ts.isForInStatement(scope))
    return scope.initializer !== undefined && ts.isVariableDeclarationList(scope.initializer)
      ? scope.initializer.declarations.map((declaration) => declaration.name)
      : [];
  if (ts.isBlock(scope) || ts.isSourceFile(scope) || ts.isCaseOrDefaultClause(scope))
    return scope.statements.flatMap(namesOfStatement);
  return [];
}

function namesOfStatement(statement: ts.Statement): (ts.BindingName | undefined)[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name);
  if (ts.isFunctionDeclaration(statement)) return [statement.name];
  const bindings = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : undefined;
  return bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements.map(({ name }) => name) : [];
}

function binds(name: ts.BindingName | undefined, text: string): boolean {
  if (name === undefined) return false;
  if (ts.isIdentifier(name)) return name.text === text;
  return name.elements.some((element) => ts.isBindingElement(element) && binds(element.name, text));
}
